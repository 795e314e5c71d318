// A queue's end of the netif path: its two directions, served in turns from an event or a frame in the TAP
// on. As long as it has turns it asks for no event. On the data thread, construction and destruction too.
#pragma once
#include <functional>
#include <memory>

#include "common/event/data_thread.hpp"
#include "domu/vif/guest_rx.hpp"
#include "domu/vif/guest_tx.hpp"

namespace hush::domu {

class NetifEnd final : private event::Served {
 public:
  struct Setup {
    netif::TxFront tx_ring;
    netif::RxFront rx_ring;
    shm::PageRun tx_buffers, rx_buffers;
    std::span<const std::uint32_t> tx_grefs, rx_grefs;
    int tap;  // non-blocking
    bool sg;
    EvtchnPort tx_port, rx_port;  // the same where one channel serves both
  };
  // Posts the receive buffers, and tells the back end to look at both rings. on_fault: once, and the end has
  // stopped by then. What the setup points to is the caller's and outlives this.
  NetifEnd(event::DataThread& thread, const Setup& setup, QueueCounters& counters,
           std::function<void(Fault)> on_fault);
  ~NetifEnd();
  NetifEnd(const NetifEnd&) = delete;
  NetifEnd& operator=(const NetifEnd&) = delete;

  // An event came on a channel, which stays masked until there is nothing more to do.
  void on_event(EvtchnPort port);
  void set_polling(const poll::Rules& rules);

 private:
  std::uint64_t turn() override;
  bool rest() override;
  void wake();
  void listen();
  template <class Direction>
  void pass(Direction& direction, EvtchnPort port, DirectionCounters& counters);
  void notify(EvtchnPort port, bool wanted, DirectionCounters& counters);
  void fail(Fault fault);

  event::DataThread& thread_;
  QueueCounters& counters_;
  std::function<void(Fault)> on_fault_;
  EvtchnPort tx_port_, rx_port_;
  GuestTx tx_;
  GuestRx rx_;
  event::FdWatcher tap_watcher_;
  bool failed_ = false;
};

}  // namespace hush::domu
