#include "common/relay/area_end.hpp"

#include <utility>

namespace hush::relay {

AreaEnd::AreaEnd(event::DataThread& thread, const Setup& setup, Port& port, EndCounters& counters,
                 Reports reports)
    : Served(counters.polls),
      thread_(thread),
      in_(setup.in),
      out_(setup.out),
      in_port_(setup.in_port),
      out_port_(setup.out_port),
      peer_lives_(setup.peer_lives),
      stall_(setup.stall),
      port_(port),
      counters_(counters),
      reports_(std::move(reports)),
      credit_timer_(thread.loop()),
      watch_timer_(thread.loop()) {
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

std::uint64_t AreaEnd::turn() {
  if (failed_) return 0;
  stay_awake();
  if (standstill_) {
    out_.look();
    if (out_.consumed() != stands_at_) set_standstill({});
  }
  Exchange exchange{in_, out_, meter_, standstill_.has_value()};
  port_.turn(exchange);
  short_of_credit_ = exchange.short_of_credit;
  settle(exchange);
  if (ended_by_fault()) return 0;
  if (!watching_ && out_.waiting() != 0) watch();
  const std::uint64_t came = exchange.taken.packets + exchange.given.packets;
  return came == 0 && (exchange.taken.dropped || exchange.given.dropped) ? 1 : came;
}

// What an awake end says of itself, before it looks.
void AreaEnd::stay_awake() {
  if (std::exchange(sleeping_, false)) in_.awake();
  if (std::exchange(waiting_, false)) out_.awake();
  if (std::exchange(port_rests_, false)) port_.awake();
}

// One index and at most one event for a batch, each way. First what the peer may fill, then what it may read.
void AreaEnd::settle(const Exchange& exchange) {
  const auto drops = [](auto& counters, const Tally& tally) {
    for (std::size_t i = 0; tally.dropped && i < kDrops; ++i)
      if (tally.drops[i] != 0) counters.drops[i].add(tally.drops[i]);
  };
  if (in_.unreleased()) {
    counters_.in.packets.add(exchange.taken.packets);
    counters_.in.bytes.add(exchange.taken.bytes);
    counters_.in.batches.add();
    if (in_.release()) {
      counters_.in.notifies_sent.add();
      thread_.notify(in_port_);
    }
  }
  drops(counters_.in, exchange.taken);
  if (out_.unpublished()) {
    counters_.out.packets.add(exchange.given.packets);
    counters_.out.bytes.add(exchange.given.bytes);
    counters_.out.batches.add();
    const bool asleep = out_.publish();
    (asleep ? counters_.out.notifies_sent : counters_.out.notifies_saved).add();
    if (asleep) thread_.notify(out_port_);
  }
  drops(counters_.out, exchange.given);
}

bool AreaEnd::ended_by_fault() {
  for (const area::Fault fault : {in_.fault(), out_.fault()})
    if (fault != area::Fault::none) return fail(area::to_text(fault)), true;
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
    waiting_ = out_.wait_for_room(length);
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
  sleeping_ = in_.may_sleep();
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
  if (progress_.look(out_.consumed(), out_.waiting()) == Progress::Verdict::moves) moved_ = Clock::now();
  watching_ = true;
  watch_timer_.expires_after(stall_);
  watch_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (!stopped && !alive.expired() && !failed_) on_watch();
  });
}

void AreaEnd::on_watch() {
  watching_ = false;
  out_.look();
  if (out_.fault() != area::Fault::none) return fail(area::to_text(out_.fault()));
  // Which ends a standstill; and an event for room may be lost, of a peer that died between its index and it.
  if (waiting_ || (standstill_ && out_.consumed() != stands_at_)) wake();
  switch (progress_.look(out_.consumed(), out_.waiting())) {
    case Progress::Verdict::idle:
      break;
    case Progress::Verdict::moves:
      moved_ = Clock::now();
      return watch();
    case Progress::Verdict::stands:
      counters_.out.notifies_late.add();
      thread_.notify(out_port_);
      if (!standstill_) {
        counters_.out.stalls.add();
        stands_at_ = out_.consumed();
        const bool lives = !peer_lives_ || peer_lives_->load() != 0;
        set_standstill(Standstill{moved_, standstill_cause(lives)});
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
