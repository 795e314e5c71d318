#include "dom0/vif/netif_queue.hpp"

#include "common/step.hpp"

namespace hush::dom0 {
namespace {

// How often a front end that tells nobody of receive buffers is looked at while a frame waits for them.
// Linux's netback looks after 30 ms, when the frame is given up.
constexpr auto kLookAgain = std::chrono::milliseconds(5);

std::string cause(std::uint32_t posted, std::uint32_t wanted) {
  if (posted == 0) return "the guest posts no receive buffers";
  return "the guest has posted " + std::to_string(posted) + " receive buffers, a frame needs " +
         std::to_string(wanted);
}

// guest_rx needs no file: an answer lies in its request's slot, so everything up to the last published one is
// done. The peer may have written anything there; the next pending() checks its producer against it.
netif::RxBack attach_rx(netif::RxSring& page) {
  const std::uint32_t index = netif::RxBack::published_index(page);
  return netif::RxBack::attach(page, {index, index});
}

inflight::Identity identity_of(DomId peer, const VifShare& share, const xenstore::QueueAddress& address) {
  return {peer,
          share.handle,
          static_cast<std::uint32_t>(share.number),
          inflight::RingKind::guest_tx,
          address.tx_ring,
          address.tx_port};
}

}  // namespace

Result<std::unique_ptr<NetifQueue>> NetifQueue::connect(Worker& worker, DomId peer,
                                                        const xenstore::QueueAddress& address,
                                                        const xenstore::Features& frontend, int tap,
                                                        QueueCounters& counters, const VifShare& share,
                                                        Reports reports, const TxFile& file) {
  auto& grants = worker.thread->grants();
  auto tx_page = grants.map(peer, address.tx_ring);
  if (!tx_page) return tx_page.error();
  auto rx_page = grants.map(peer, address.rx_ring);
  if (!rx_page) return rx_page.error();
  HUSH_STEP("netif-mapped");
  TxStart start =
      start_tx(shm::layout_at<netif::TxSring>(tx_page->base()), file, identity_of(peer, share, address));
  std::unique_ptr<NetifQueue> queue{new NetifQueue(worker, peer, address, frontend, tap, counters, share,
                                                   std::move(*tx_page), std::move(*rx_page),
                                                   std::move(reports), std::move(start))};
  if (auto bound = queue->bind(peer); !bound) return bound.error();
  HUSH_STEP("netif-bound");
  // Requests may have been there before the channel was: look without waiting for an event.
  queue->wake();
  // One that served before may have ended between an answer and its event. It would never be owed again: the
  // index that asks for it is behind us.
  if (queue->tx_.taken() != 0 || queue->rx_.taken() != 0) queue->notify_both();
  HUSH_STEP("netif-told");
  return queue;
}

NetifQueue::NetifQueue(Worker& worker, DomId peer, const xenstore::QueueAddress& address,
                       const xenstore::Features& frontend, int tap, QueueCounters& counters,
                       const VifShare& share, xen::MappedPages tx_page, xen::MappedPages rx_page,
                       Reports reports, TxStart start)
    : Served(counters.polls),
      thread_(*worker.thread),
      address_(address),
      tx_page_(std::move(tx_page)),
      rx_page_(std::move(rx_page)),
      reports_(std::move(reports)),
      counters_(counters),
      tap_(tap),
      share_(share),
      rx_notify_(frontend.rx_notify),
      resumed_(std::move(start.resumed)),
      tx_(netif::TxBack::attach(shm::layout_at<netif::TxSring>(tx_page_.base()), start.at), peer, tap,
          *worker.memory, counters_, share.multicast, std::move(start.inflight)),
      rx_(attach_rx(shm::layout_at<netif::RxSring>(rx_page_.base())), peer, tap, frontend, *worker.memory,
          counters_, share),
      tap_watcher_(thread_.loop(), tap, [this] { wake(); }),
      look_again_timer_(thread_.loop()),
      credit_timer_(thread_.loop()),
      backlog_timer_(thread_.loop()) {
  if (!share_.steering) return;
  // Through the loop: a queue that is in its turn hands frames over.
  share_.steering->join(share_.number, counters_, [this, alive = std::weak_ptr(alive_)] {
    boost::asio::post(thread_.loop(), [this, alive] {
      if (!alive.expired()) wake();
    });
  });
}

NetifQueue::~NetifQueue() {
  if (share_.steering) share_.steering->leave(share_.number);
  thread_.leave_out(*this);
  if (rx_port_ != tx_port_ && rx_port_ != EvtchnPort{}) thread_.unbind(rx_port_);
  if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_);
}

Result<void> NetifQueue::bind(DomId peer) {
  auto tx = thread_.bind(peer, address_.tx_port, [this] {
    counters_.guest_tx.events.add();
    heard();
    wake();
  });
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (address_.tx_port == address_.rx_port) return {};
  auto rx = thread_.bind(peer, address_.rx_port, [this] {
    counters_.guest_rx.events.add();
    heard();
    wake();
  });
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

void NetifQueue::wake() {
  tap_watcher_.off();
  if (!failed_) thread_.serve(*this);
}

std::uint64_t NetifQueue::turn() {
  const auto packets = [this] { return counters_.guest_tx.packets.get() + counters_.guest_rx.packets.get(); };
  const std::uint64_t before = packets();
  const bool sent = pass(tx_, tell_of_tx_);
  const bool spread = pass_on();
  const auto delivered = counters_.guest_rx.batches.get();
  const bool received = pass(rx_, tell_of_rx_);
  const bool fed = counters_.guest_rx.batches.get() != delivered || rx_.wanted() == 0;
  if (fed && stall_.fed()) reports_.stall({});
  if (rx_.starved()) watch_backlog();  // a guest that sends without end never rests
  return std::max(packets() - before, std::uint64_t{sent || spread || received});
}

// What the TAP has may belong to other queues. True: there may be more.
bool NetifQueue::pass_on() {
  if (failed_ || !share_.steering || !share_.steering->on()) return false;
  const Pass pass = share_.steering->spread(tap_);
  if (pass == Pass::fault) fail(kTapIsGone);
  return pass == Pass::moved;
}

bool NetifQueue::rest() {
  if (failed_) return true;
  listen();
  wait_for_frames();
  const bool more_sent = !wait_for_credit() && tx_.ask_for_event();
  const bool more_room = rx_.wanted() > 0 && rx_.ask_for_event();
  return !more_sent && !more_room;
}

void NetifQueue::listen() {
  const bool shared = rx_port_ == tx_port_;
  if (thread_.listen(tx_port_, tx_.taken() + (shared ? rx_.taken() : 0))) counters_.guest_tx.storms.add();
  if (!shared && thread_.listen(rx_port_, rx_.taken())) counters_.guest_rx.storms.add();
}

// A starved guest says when it has posted slots; until then the TAP keeps its frames. But what the TAP has
// may belong to another queue.
void NetifQueue::wait_for_frames() {
  if (!rx_.starved() || (share_.steering && share_.steering->on())) tap_watcher_.on();
  if (rx_.starved() && !rx_notify_) look_again();
}

// No event will tell that there are slots for the frame in hand.
void NetifQueue::look_again() {
  look_again_timer_.expires_after(kLookAgain);
  look_again_timer_.async_wait(
      [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
        if (!stopped && !alive.expired()) wake();
      });
}

bool NetifQueue::wait_for_credit() {
  if (!tx_.waits_for_credit()) return false;
  const StallWatch::Time due{*tx_.waits_for_credit()};
  if (credit_timer_.expiry() == due) return true;  // it runs
  credit_timer_.expires_at(due);
  credit_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (!stopped && !alive.expired()) wake();
  });
  return true;
}

// The timer is not stopped when the guest has posted slots after all, which is the usual case: it then finds
// nothing.
void NetifQueue::watch_backlog() {
  stall_.wait(StallWatch::Clock::now());
  // It may run for the end of the stall, which is later than this frame's.
  if (const auto next = stall_.next(); next && (!backlog_timer_runs_ || *next < backlog_timer_.expiry()))
    arm_backlog_timer();
}

void NetifQueue::arm_backlog_timer() {
  const auto next = stall_.next();
  if (!next) return;
  backlog_timer_runs_ = true;
  backlog_timer_.expires_at(*next);
  backlog_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (stopped || alive.expired()) return;
    backlog_timer_runs_ = false;
    if (!failed_) on_backlog_timer();
  });
}

void NetifQueue::on_backlog_timer() {
  const auto now = StallWatch::Clock::now();
  const StallWatch::Due due = stall_.check(now);
  if (due.stall) {
    counters_.rx_stalls.add();
    reports_.stall(stall_of_guest());
  }
  if (due.drop) {
    rx_.drop_backlog();
    wake();  // the next frame is to be waited for
  }
  // Nothing waits, and no frame will come while there is no carrier: any buffer ends the stall.
  if (stall_.stalled() && !rx_.starved()) {
    rx_.want_one();
    wake();
  }
  arm_backlog_timer();
}

template <class Direction>
bool NetifQueue::pass(Direction& direction, const Tell& tell) {
  if (failed_) return false;
  const Pass pass = direction.run(tell);
  if (pass == Pass::fault) fail(direction.fault());
  return pass == Pass::moved;
}

void NetifQueue::notify(EvtchnPort port, bool wanted, DirectionCounters& counters) {
  (wanted ? counters.notifies_sent : counters.notifies_saved).add();
  if (wanted) thread_.notify(port);
}

void NetifQueue::notify_both() {
  thread_.notify(tx_port_);
  if (rx_port_ != tx_port_) thread_.notify(rx_port_);
}

void NetifQueue::fail(std::string_view reason) {
  failed_ = true;
  tap_watcher_.off();
  look_again_timer_.cancel();
  reports_.fault(std::string(reason));
}

void NetifQueue::limit_by(std::shared_ptr<RateLimiter> limiter) {
  tx_.limit_by(std::move(limiter));
  wake();
}

void NetifQueue::set_timeouts(QueueTimeouts timeouts) {
  stall_.set(timeouts.rx);
  arm_backlog_timer();  // anew: what is due comes earlier, or later
}

void NetifQueue::set_polling(const poll::Rules& rules) {
  if (rules == patience.rules()) return;
  patience.set(rules);
  wake();
}

QueueLook NetifQueue::look() const {
  const std::string_view state = failed_                   ? "failed"
                                 : stall_.stalled()        ? "stalled"
                                 : stall_.starving_since() ? "waits for receive buffers"
                                 : tx_.waits_for_credit()  ? "waits for its rate"
                                                           : "serving";
  return {.rings = RingsLook{tx_.look(), rx_.look()},
          .tx_port = tx_port_,
          .rx_port = rx_port_,
          .state = state,
          .stall = stall_of_guest(),
          .expected = patience.expected(),
          .resumed = resumed_};
}

std::optional<Stall> NetifQueue::stall_of_guest() const {
  const auto since = stall_.starving_since();
  return since ? std::optional(Stall{*since, cause(rx_.posted(), rx_.wanted())}) : std::nullopt;
}

void NetifQueue::capture_to(std::shared_ptr<net::Capture> capture) {
  tx_.capture_to(capture.get());
  rx_.capture_to(capture.get());
  capture_ = std::move(capture);
}

}  // namespace hush::dom0
