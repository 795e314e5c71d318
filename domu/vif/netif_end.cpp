#include "domu/vif/netif_end.hpp"

#include <utility>

namespace hush::domu {

NetifEnd::NetifEnd(event::DataThread& thread, const Setup& setup, VifCounters& counters,
                   std::function<void(Fault)> on_fault)
    : thread_(thread),
      counters_(counters),
      on_fault_(std::move(on_fault)),
      tx_port_(setup.tx_port),
      rx_port_(setup.rx_port),
      tx_(setup.tx_ring, setup.tx_buffers, setup.tx_grefs, setup.tap, setup.sg, counters),
      rx_(setup.rx_ring, setup.rx_buffers, setup.rx_grefs, setup.tap, counters),
      tap_watcher_(thread.loop(), setup.tap, [this] { run_tx(); }) {
  tap_watcher_.on();
  thread_.notify(tx_port_);
  if (rx_port_ != tx_port_) thread_.notify(rx_port_);
  // What the back end has said before this was there: its events are gone.
  again(&NetifEnd::run_rx);
  again(&NetifEnd::run_tx);
}

NetifEnd::~NetifEnd() {
  *alive_ = false;
}

void NetifEnd::on_event(EvtchnPort port) {
  const bool shared = rx_port_ == tx_port_;
  const bool tx = port == tx_port_, rx = port == rx_port_;
  (void)thread_.listen(port, (tx ? tx_.taken() : 0) + (rx ? rx_.taken() : 0));
  const auto alive = alive_;
  if (tx) on_tx_event();
  if (rx && (!shared || *alive)) on_rx_event();
}

void NetifEnd::on_tx_event() {
  counters_.guest_tx.events.add();
  if (failed_) return;
  // Room matters when it is short; but a lie is to be found now, not at the next frame.
  if (tx_.starved())
    run_tx();
  else if (tx_.collect() == Pass::fault)
    fail(tx_.fault());
}

void NetifEnd::on_rx_event() {
  counters_.guest_rx.events.add();
  run_rx();
}

void NetifEnd::run_tx() {
  if (failed_) return;
  bool wanted = false;
  const auto before = counters_.guest_tx.batches.get();
  const Pass pass = tx_.run(wanted);
  if (counters_.guest_tx.batches.get() != before) notify(tx_port_, wanted, counters_.guest_tx);
  if (pass == Pass::fault) return fail(tx_.fault());
  if (tx_.starved())
    tap_watcher_.off();
  else
    tap_watcher_.on();
  if (pass == Pass::again) again(&NetifEnd::run_tx);
}

void NetifEnd::run_rx() {
  if (failed_) return;
  bool wanted = false;
  const auto before = counters_.guest_rx.batches.get();
  const Pass pass = rx_.run(wanted);
  if (counters_.guest_rx.batches.get() != before) notify(rx_port_, wanted, counters_.guest_rx);
  if (pass == Pass::fault) return fail(rx_.fault());
  // Through the loop, so that the other direction gets its turn between two batches.
  if (pass == Pass::again) again(&NetifEnd::run_rx);
}

void NetifEnd::again(void (NetifEnd::*run)()) {
  boost::asio::post(thread_.loop(), [this, run, alive = alive_] {
    if (*alive) (this->*run)();
  });
}

void NetifEnd::notify(EvtchnPort port, bool wanted, DirectionCounters& counters) {
  (wanted ? counters.notifies_sent : counters.notifies_saved).add();
  if (wanted) thread_.notify(port);
}

void NetifEnd::fail(Fault fault) {
  failed_ = true;
  tap_watcher_.off();
  on_fault_(fault);
}

}  // namespace hush::domu
