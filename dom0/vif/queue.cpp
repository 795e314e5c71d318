#include "dom0/vif/queue.hpp"

namespace hush::dom0 {
namespace {

// Where a ring stands that no state file knows: everything up to the last published answer is done
// (BACK_RING_ATTACH with rsp_prod, as Linux's netback). The peer may have written anything there; the next
// pending() checks its producer against it.
template <class Ring>
Ring attach(typename Ring::Page& page) {
  const std::uint32_t index = Ring::published_index(page);
  return Ring::attach(page, {index, index});
}

}  // namespace

Result<std::unique_ptr<Queue>> Queue::connect(Worker& worker, DomId peer,
                                              const xenstore::QueueAddress& address,
                                              const xenstore::Features& frontend, int tap,
                                              QueueCounters& counters, OnFault on_fault) {
  auto& grants = worker.thread->grants();
  auto tx_page = grants.map(peer, address.tx_ring);
  if (!tx_page) return tx_page.error();
  auto rx_page = grants.map(peer, address.rx_ring);
  if (!rx_page) return rx_page.error();
  std::unique_ptr<Queue> queue{new Queue(worker, peer, address, frontend, tap, counters, std::move(*tx_page),
                                         std::move(*rx_page), std::move(on_fault))};
  if (auto bound = queue->bind(peer); !bound) return bound.error();
  queue->tap_watcher_.on();
  // Requests may have been there before the channel was: look once without waiting for an event.
  queue->again(&Queue::run_tx);
  return queue;
}

Queue::Queue(Worker& worker, DomId peer, const xenstore::QueueAddress& address,
             const xenstore::Features& frontend, int tap, QueueCounters& counters, xen::MappedPages tx_page,
             xen::MappedPages rx_page, OnFault on_fault)
    : thread_(*worker.thread),
      address_(address),
      tx_page_(std::move(tx_page)),
      rx_page_(std::move(rx_page)),
      on_fault_(std::move(on_fault)),
      counters_(counters),
      tx_(attach<netif::TxBack>(shm::layout_at<netif::TxSring>(tx_page_.base())), peer, tap, *worker.memory,
          counters_),
      rx_(attach<netif::RxBack>(shm::layout_at<netif::RxSring>(rx_page_.base())), peer, tap, frontend,
          *worker.memory, counters_),
      tap_watcher_(thread_.loop(), tap, [this] { run_rx(); }) {}

Queue::~Queue() {
  *alive_ = false;
  if (rx_port_ != tx_port_ && rx_port_ != EvtchnPort{}) thread_.unbind(rx_port_);
  if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_);
}

Result<void> Queue::bind(DomId peer) {
  const bool split = address_.tx_port != address_.rx_port;
  auto tx = thread_.bind(peer, address_.tx_port, [this, split] {
    counters_.guest_tx.events.add();
    run_tx();
    if (!split && !failed_) run_rx();
  });
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (!split) return {};
  auto rx = thread_.bind(peer, address_.rx_port, [this] {
    counters_.guest_rx.events.add();
    run_rx();
  });
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

void Queue::run_tx() {
  if (failed_) return;
  bool wanted = false;
  const auto before = counters_.guest_tx.batches.get();
  const Pass pass = tx_.run(wanted);
  if (counters_.guest_tx.batches.get() != before) notify(tx_port_, wanted, counters_.guest_tx);
  if (pass == Pass::fault) return fail(tx_.fault());
  // Through the loop, so that other queues of the thread get their turn between two batches.
  if (pass == Pass::again) again(&Queue::run_tx);
}

void Queue::run_rx() {
  if (failed_) return;
  bool wanted = false;
  const auto before = counters_.guest_rx.batches.get();
  const Pass pass = rx_.run(wanted);
  if (counters_.guest_rx.batches.get() != before) notify(rx_port_, wanted, counters_.guest_rx);
  if (pass == Pass::fault) return fail(rx_.fault());
  // A starved guest says when it has posted slots; until then the TAP keeps its frames.
  if (rx_.starved())
    tap_watcher_.off();
  else
    tap_watcher_.on();
  if (pass == Pass::again) again(&Queue::run_rx);
}

void Queue::again(void (Queue::*run)()) {
  boost::asio::post(thread_.loop(), [this, run, alive = alive_] {
    if (*alive) (this->*run)();
  });
}

void Queue::notify(EvtchnPort port, bool wanted, DirectionCounters& counters) {
  (wanted ? counters.notifies_sent : counters.notifies_saved).add();
  if (wanted) thread_.notify(port);
}

void Queue::fail(std::string_view reason) {
  failed_ = true;
  tap_watcher_.off();
  on_fault_(std::string(reason));
}

void Queue::capture_to(std::shared_ptr<net::Capture> capture) {
  tx_.capture_to(capture.get());
  rx_.capture_to(capture.get());
  capture_ = std::move(capture);
}

}  // namespace hush::dom0
