#include "domu/vif/netif_end.hpp"

#include <algorithm>

namespace hush::domu {

NetifEnd::NetifEnd(event::DataThread& thread, const Setup& setup, QueueCounters& counters,
                   std::function<void(Fault)> on_fault)
    : Served(counters.polls),
      thread_(thread),
      counters_(counters),
      on_fault_(std::move(on_fault)),
      tx_port_(setup.tx_port),
      rx_port_(setup.rx_port),
      tx_(setup.tx_ring, setup.tx_buffers, setup.tx_grefs, setup.tap, setup.sg, counters),
      rx_(setup.rx_ring, setup.rx_buffers, setup.rx_grefs, setup.tap, counters),
      tap_watcher_(thread.loop(), setup.tap, [this] { wake(); }) {
  thread_.notify(tx_port_);
  if (rx_port_ != tx_port_) thread_.notify(rx_port_);
  // What the back end has said before this was there: its events are gone.
  wake();
}

NetifEnd::~NetifEnd() {
  thread_.leave_out(*this);
}

void NetifEnd::on_event(EvtchnPort port) {
  if (port == tx_port_) counters_.guest_tx.events.add();
  if (port == rx_port_) counters_.guest_rx.events.add();
  heard();
  wake();
}

void NetifEnd::set_polling(const poll::Rules& rules) {
  if (rules == patience.rules()) return;
  patience.set(rules);
  wake();
}

void NetifEnd::wake() {
  tap_watcher_.off();
  if (!failed_) thread_.serve(*this);
}

std::uint64_t NetifEnd::turn() {
  const auto count = [this](Counter DirectionCounters::*of) {
    return (counters_.guest_tx.*of).get() + (counters_.guest_rx.*of).get();
  };
  const std::uint64_t packets = count(&DirectionCounters::packets);
  const std::uint64_t batches = count(&DirectionCounters::batches);
  pass(tx_, tx_port_, counters_.guest_tx);
  pass(rx_, rx_port_, counters_.guest_rx);
  const bool moved = count(&DirectionCounters::batches) != batches;
  return std::max(count(&DirectionCounters::packets) - packets, std::uint64_t{moved});
}

bool NetifEnd::rest() {
  if (failed_) return true;
  listen();
  // What waits for answers stays in the TAP.
  if (!tx_.starved()) tap_watcher_.on();
  const bool more_room = tx_.starved() && tx_.ask_for_event();
  const bool more_frames = rx_.ask_for_event();
  return !more_room && !more_frames;
}

void NetifEnd::listen() {
  const bool shared = rx_port_ == tx_port_;
  (void)thread_.listen(tx_port_, tx_.taken() + (shared ? rx_.taken() : 0));
  if (!shared) (void)thread_.listen(rx_port_, rx_.taken());
}

template <class Direction>
void NetifEnd::pass(Direction& direction, EvtchnPort port, DirectionCounters& counters) {
  if (failed_) return;
  bool wanted = false;
  const auto before = counters.batches.get();
  const Pass pass = direction.run(wanted);
  if (counters.batches.get() != before) notify(port, wanted, counters);
  if (pass == Pass::fault) fail(direction.fault());
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
