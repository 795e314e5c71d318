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
  // Requests may have been there before the channel was: look without waiting for an event.
  queue->wake();
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
      tap_watcher_(thread_.loop(), tap, [this] { wake(); }) {}

Queue::~Queue() {
  thread_.leave_out(*this);
  if (rx_port_ != tx_port_ && rx_port_ != EvtchnPort{}) thread_.unbind(rx_port_);
  if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_);
}

Result<void> Queue::bind(DomId peer) {
  auto tx = thread_.bind(peer, address_.tx_port, [this] {
    counters_.guest_tx.events.add();
    wake();
  });
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (address_.tx_port == address_.rx_port) return {};
  auto rx = thread_.bind(peer, address_.rx_port, [this] {
    counters_.guest_rx.events.add();
    wake();
  });
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

void Queue::wake() {
  tap_watcher_.off();
  if (!failed_) thread_.serve(*this);
}

bool Queue::turn() {
  const bool sent = pass(tx_, tx_port_, counters_.guest_tx);
  const bool received = pass(rx_, rx_port_, counters_.guest_rx);
  return sent || received;
}

bool Queue::rest() {
  if (failed_) return true;
  thread_.listen(tx_port_);
  thread_.listen(rx_port_);
  // A starved guest says when it has posted slots; until then the TAP keeps its frames.
  if (!rx_.starved()) tap_watcher_.on();
  const bool more_sent = tx_.ask_for_event();
  const bool more_room = rx_.starved() && rx_.ask_for_event();
  return !more_sent && !more_room;
}

template <class Direction>
bool Queue::pass(Direction& direction, EvtchnPort port, DirectionCounters& counters) {
  if (failed_) return false;
  const auto before = counters.batches.get();
  bool wanted = false;
  const Pass pass = direction.run(wanted);
  if (counters.batches.get() != before) notify(port, wanted, counters);
  if (pass == Pass::fault) fail(direction.fault());
  return pass == Pass::moved;
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
