#include "domu/vif/queue.hpp"

#include <utility>

namespace hush::domu {
namespace {

shm::PageRun run_of(const xen::SharedPages& pages) {
  return {pages.base(), pages.grefs().size()};
}

}  // namespace

Result<std::unique_ptr<Queue>> Queue::create(event::DataThread& thread, xen::GrantShare& shares,
                                             const Setup& setup, VifCounters& counters, OnFault on_fault) {
  struct Wanted {
    xen::SharedPages Shares::*member;
    std::uint32_t pages;
    bool writable;  // for the back end
  };
  Shares shared;
  for (const auto& [member, pages, writable] :
       {Wanted{&Shares::tx_ring, 1, true}, Wanted{&Shares::rx_ring, 1, true},
        Wanted{&Shares::tx_buffers, GuestTx::kPages, false},
        Wanted{&Shares::rx_buffers, GuestRx::kPages, true}}) {
    auto got = shares.share(setup.peer, pages, writable);
    if (!got) return got.error();
    shared.*member = std::move(*got);
  }
  std::unique_ptr<Queue> queue{new Queue(thread, std::move(shared), setup, counters, std::move(on_fault))};
  auto opened = thread.call([&] { return queue->open_channels(setup.peer, setup.split_event_channels); });
  if (!opened) return opened.error();
  return queue;
}

Queue::Queue(event::DataThread& thread, Shares shares, const Setup& setup, VifCounters& counters,
             OnFault on_fault)
    : thread_(thread),
      shares_(std::move(shares)),
      tap_(setup.tap),
      counters_(counters),
      on_fault_(std::move(on_fault)),
      tx_(shm::layout_at<netif::TxSring>(shares_.tx_ring.base()), run_of(shares_.tx_buffers),
          shares_.tx_buffers.grefs(), setup.tap, setup.sg, counters),
      rx_(shm::layout_at<netif::RxSring>(shares_.rx_ring.base()), run_of(shares_.rx_buffers),
          shares_.rx_buffers.grefs(), setup.tap, counters) {}

Queue::~Queue() {
  thread_.call([this] {
    *alive_ = false;
    tap_watcher_.reset();
    if (rx_port_ != tx_port_) thread_.unbind(rx_port_);
    if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_);
  });
}

Result<void> Queue::open_channels(DomId peer, bool split) {
  auto tx = thread_.alloc_unbound(peer, [this, split] {
    (void)thread_.listen(tx_port_, tx_.taken() + (split ? 0 : rx_.taken()));
    on_tx_event();
    if (!split) on_rx_event();
  });
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (!split) return {};
  auto rx = thread_.alloc_unbound(peer, [this] {
    (void)thread_.listen(rx_port_, rx_.taken());
    on_rx_event();
  });
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

void Queue::start() {
  thread_.call([this] {
    if (failed_ || tap_watcher_) return;
    tap_watcher_.emplace(thread_.loop(), tap_, [this] { run_tx(); });
    tap_watcher_->on();
    // It may have bound its channels before it had our requests in sight.
    thread_.notify(tx_port_);
    if (rx_port_ != tx_port_) thread_.notify(rx_port_);
  });
}

xenstore::QueueAddress Queue::address() const {
  return {Gref{shares_.tx_ring.grefs().front()}, Gref{shares_.rx_ring.grefs().front()}, tx_port_, rx_port_};
}

void Queue::on_tx_event() {
  counters_.guest_tx.events.add();
  if (failed_) return;
  // Room matters when it is short; but a lie is to be found now, not at the next frame.
  if (tx_.starved())
    run_tx();
  else if (tx_.collect() == Pass::fault)
    fail(tx_.fault());
}

void Queue::on_rx_event() {
  counters_.guest_rx.events.add();
  run_rx();
}

void Queue::run_tx() {
  if (failed_ || !tap_watcher_) return;
  bool wanted = false;
  const auto before = counters_.guest_tx.batches.get();
  const Pass pass = tx_.run(wanted);
  if (counters_.guest_tx.batches.get() != before) notify(tx_port_, wanted, counters_.guest_tx);
  if (pass == Pass::fault) return fail(tx_.fault());
  if (tx_.starved())
    tap_watcher_->off();
  else
    tap_watcher_->on();
  if (pass == Pass::again) again(&Queue::run_tx);
}

void Queue::run_rx() {
  if (failed_) return;
  bool wanted = false;
  const auto before = counters_.guest_rx.batches.get();
  const Pass pass = rx_.run(wanted);
  if (counters_.guest_rx.batches.get() != before) notify(rx_port_, wanted, counters_.guest_rx);
  if (pass == Pass::fault) return fail(rx_.fault());
  // Through the loop, so that the other direction gets its turn between two batches.
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

void Queue::fail(Fault fault) {
  failed_ = true;
  if (tap_watcher_) tap_watcher_->off();
  on_fault_(fault);
}

}  // namespace hush::domu
