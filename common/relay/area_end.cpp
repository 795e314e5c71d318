#include "common/relay/area_end.hpp"

#include <utility>

#include "common/step.hpp"

namespace hush::relay {

AreaEnd::AreaEnd(event::DataThread& thread, const Setup& setup, Port& port, EndCounters& counters,
                 Reports reports, const std::optional<Stood>& stood)
    : Served(counters.polls),
      thread_(thread),
      rings_(setup.area, stood ? stood->sleeps : area::Sleeps{},
             stood ? stood->at : area::RingPair::Positions{}),
      in_port_(setup.in_port),
      out_port_(setup.out_port),
      stall_(setup.stall),
      port_(port),
      counters_(counters),
      reports_(std::move(reports)),
      credit_timer_(thread.loop()),
      watch_timer_(thread.loop()) {
  if (stood && stood->staged) rings_.stage(*stood->staged);
  rings_.keep(setup.keeper);  // it says already what is staged
  if (stood) rings_.take_over();
  if (port.fd() >= 0)
    watcher_ = std::make_unique<event::FdWatcher>(thread.loop(), port.fd(), [this] { wake(); });
  port.attach([this, &loop = thread.loop(), alive = std::weak_ptr(alive_)] {
    boost::asio::post(loop, [this, alive] {
      if (!alive.expired()) wake();
    });
  });
}

AreaEnd::~AreaEnd() {
  port_.attach(nullptr);
  thread_.leave_out(*this);
}

void AreaEnd::start_again() {
  thread_.notify(in_port_);
  if (out_port_ != in_port_) thread_.notify(out_port_);
  wake();
}

void AreaEnd::on_event() {
  counters_.events.add();
  heard();
  wake();
}

void AreaEnd::wake() {
  if (watcher_) watcher_->off();
  if (!failed_) thread_.serve(*this);
}

void AreaEnd::meter(Meter* meter) {
  meter_ = meter;
  wake();
}

void AreaEnd::set_polling(const poll::Rules& rules) {
  if (rules == patience.rules()) return;
  patience.set(rules);
  wake();
}

// In one piece: calls are a fifth of what a turn of one short frame takes.
[[gnu::flatten]] std::uint64_t AreaEnd::turn() {
  if (failed_) return 0;
  stay_awake();
  if (standstill_) {
    rings_.out.look();
    if (rings_.out.consumed() != stands_at_) set_standstill({});
  }
  Exchange exchange{rings_.in, rings_.out, meter_, standstill_.has_value(), &rings_};
  port_.turn(exchange);
  short_of_credit_ = exchange.short_of_credit;
  count_demand(exchange);
  settle(exchange);
  if (ended_by_fault()) return 0;
  const bool crossed = cross();
  if (!watching_ && rings_.out.waiting() != 0) watch();
  const std::uint64_t came = exchange.taken.packets + exchange.given.packets;
  return came == 0 && (crossed || exchange.taken.dropped || exchange.given.dropped) ? 1 : came;
}

// Before anything is settled. The peer's index of the other direction is looked at now and then: a look at
// each turn would fetch its cache line for each frame of a slow exchange.
void AreaEnd::count_demand(const Exchange& exchange) {
  constexpr std::uint32_t kLookEach = 64U << 10;
  const Tally& taken = exchange.taken;
  const Tally& given = exchange.given;
  const std::uint32_t waiting = rings_.in.waiting();
  const bool full = taken.longest != 0 && rings_.in.size() - waiting < 2 * area::span_of(taken.longest);
  in_demand_.turn({.bytes = rings_.in.unreleased_bytes(),
                   .frames = static_cast<std::uint32_t>(taken.packets),
                   .longest = taken.longest,
                   .waiting = waiting,
                   .no_room = full,
                   .found_nothing = !taken.moved() && !exchange.short_of_credit && !port_.holds_back()});
  const std::uint32_t put = rings_.out.unpublished_bytes();
  unlooked_ += put;
  std::uint32_t lies_there = 0;
  if (unlooked_ >= kLookEach) {
    unlooked_ = 0;
    rings_.out.look();
    lies_there = rings_.out.waiting() + put;
  }
  const bool lacks = port_.lacks_room() != 0;
  out_demand_.turn({.bytes = put,
                    .frames = static_cast<std::uint32_t>(given.packets),
                    .longest = given.longest,
                    .waiting = lies_there,
                    .no_room = lacks,
                    .found_nothing = !given.moved() && !lacks});
  if (quiet_ && (taken.moved() || given.moved() || lacks)) {
    quiet_ = false;
    if (reports_.stirs) reports_.stirs();
  }
}

AreaEnd::Demands AreaEnd::demands() {
  const Demands asked{in_demand_.sample(), out_demand_.sample()};
  quiet_ = asked.in.bytes + asked.in.stalls + asked.out.bytes + asked.out.stalls == 0;
  return asked;
}

void AreaEnd::move(const area::Side& next) {
  if (failed_) return;
  stay_awake();
  if (rings_.lead(next)) thread_.notify(out_port_);
  begin_watch_anew();
  if (!watching_) watch();
  wake();
}

// Where the other end's SWITCH was read: the rest stands in the next area.
bool AreaEnd::cross() {
  const auto crossing = rings_.cross();
  if (crossing == area::RingPair::Crossing::none) return false;
  if (crossing == area::RingPair::Crossing::followed) {
    thread_.notify(out_port_);
    HUSH_STEP("switch-told");
    begin_watch_anew();
  }
  counters_.moves.add();
  reports_.moved();
  return true;
}

// The ring to the peer is another one: what was seen of its index says nothing any more.
void AreaEnd::begin_watch_anew() {
  progress_ = {};
  if (standstill_) set_standstill({});
}

// What an awake end says of itself, before it looks.
void AreaEnd::stay_awake() {
  if (std::exchange(sleeping_, false)) rings_.in.awake();
  if (std::exchange(waiting_, false)) rings_.out.awake();
  if (std::exchange(port_rests_, false)) port_.awake();
}

// One index and at most one event for a batch, each way. First what the peer may fill, then what it may read.
void AreaEnd::settle(const Exchange& exchange) {
  if (rings_.in.unreleased()) {
    count_batch(counters_.in, exchange.taken);
    const bool waits = rings_.release();
    HUSH_SERVED();
    HUSH_STEP("area-tx-released");
    if (waits) {
      counters_.in.notifies_sent.add();
      thread_.notify(in_port_);
    }
  }
  count_drops(counters_.in, exchange.taken);
  if (rings_.out.unpublished()) {
    count_batch(counters_.out, exchange.given);
    const bool asleep = rings_.publish();
    (asleep ? counters_.out.notifies_sent : counters_.out.notifies_saved).add();
    HUSH_SERVED();
    HUSH_STEP("area-rx-published");
    if (asleep) thread_.notify(out_port_);
    HUSH_STEP("area-rx-told");
  } else {
    tell();
  }
  count_drops(counters_.out, exchange.given);
}

// What was published in the turns before, to a peer that fell asleep at that moment.
void AreaEnd::tell() {
  if (!rings_.tell()) return;
  counters_.out.notifies_sent.add();
  thread_.notify(out_port_);
}

bool AreaEnd::ended_by_fault() {
  if (rings_.fault() != area::Fault::none) return fail(area::to_text(rings_.fault())), true;
  if (!port_.fault().empty()) return fail(port_.fault()), true;
  return false;
}

void AreaEnd::fail(std::string_view reason) {
  failed_ = true;
  if (watcher_) watcher_->off();
  reports_.fault(reason);
}

bool AreaEnd::rest() {
  if (failed_) return true;
  listen();
  // A port that has a frame in hand keeps the others where they are.
  if (watcher_ && (port_.lacks_room() == 0 || standstill_)) watcher_->on();
  bool calm = true;
  if (short_of_credit_)
    wait_for_credit();
  else if (!port_.holds_back())
    calm = sleep();
  if (const std::uint32_t length = port_.lacks_room(); length != 0 && !standstill_) {
    waiting_ = rings_.wait_for_room(length);
    if (waiting_) counters_.out.room_waits.add();
    calm = calm && waiting_;
    if (waiting_ && !watching_) watch();
  }
  if (!calm) return false;
  port_rests_ = true;
  return port_.rest();
}

// Takes events again. Work is what both directions did: an event may be of either.
void AreaEnd::listen() {
  const std::uint64_t work = counters_.in.batches.get() + counters_.out.batches.get();
  (void)thread_.listen(in_port_, work);
  if (out_port_ != in_port_) (void)thread_.listen(out_port_, work);
}

bool AreaEnd::sleep() {
  sleeping_ = rings_.may_sleep();
  (sleeping_ ? counters_.in.sleeps : counters_.in.second_looks).add();
  return sleeping_;
}

// What the peer sends meanwhile needs no event: the mode word stays 0.
void AreaEnd::wait_for_credit() {
  if (!meter_) return;  // taken off meanwhile, and woken for it
  const auto due = meter_->due();
  if (credit_timer_.expiry() == due) return;  // it runs
  credit_timer_.expires_at(due);
  credit_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (!stopped && !alive.expired()) wake();
  });
}

// The timer runs as long as the ring to the peer is not empty when it is looked at: once a bound, whatever
// goes through the ring in between.
void AreaEnd::watch() {
  if (progress_.look(rings_.out.consumed(), rings_.out.waiting()) == Progress::Verdict::moves)
    moved_ = Clock::now();
  watching_ = true;
  watch_timer_.expires_after(stall_);
  watch_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (!stopped && !alive.expired() && !failed_) on_watch();
  });
}

void AreaEnd::on_watch() {
  watching_ = false;
  rings_.out.look();
  if (rings_.out.fault() != area::Fault::none) return fail(area::to_text(rings_.out.fault()));
  // Which ends a standstill; and an event for room may be lost, of a peer that died between its index and it.
  if (waiting_ || rings_.leads() || (standstill_ && rings_.out.consumed() != stands_at_)) wake();
  const bool late = Clock::now() - watch_timer_.expiry() >= stall_;
  const auto verdict = progress_.look(rings_.out.consumed(), rings_.out.waiting(), late);
  switch (verdict) {
    case Progress::Verdict::idle:
      if (!rings_.leads()) break;
      // Either end's event for its SWITCH may be lost.
      counters_.out.notifies_late.add();
      thread_.notify(out_port_);
      return watch();
    case Progress::Verdict::moves:
      moved_ = Clock::now();
      return watch();
    case Progress::Verdict::late:
    case Progress::Verdict::stands:
      counters_.out.notifies_late.add();
      thread_.notify(out_port_);
      if (verdict == Progress::Verdict::stands && !standstill_) {
        counters_.out.stalls.add();
        stands_at_ = rings_.out.consumed();
        set_standstill(Standstill{moved_, standstill_cause(rings_.peer_lives())});
        wake();  // what waits is to be dropped
      }
      return watch();
  }
}

void AreaEnd::set_standstill(std::optional<Standstill> standstill) {
  standstill_ = standstill;
  reports_.stall(standstill);
}

std::string_view AreaEnd::state() const {
  return failed_            ? "failed"
         : standstill_      ? "stalled"
         : waiting_         ? "waits for room"
         : short_of_credit_ ? "waits for its rate"
         : sleeping_        ? "sleeps"
                            : "polls";
}

}  // namespace hush::relay
