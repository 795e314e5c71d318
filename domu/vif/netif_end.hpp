// A queue's end of the netif path: its two directions, driven by the events of its channels and by its TAP.
// On the data thread, construction and destruction too.
#pragma once
#include <functional>
#include <memory>

#include "common/event/data_thread.hpp"
#include "domu/vif/guest_rx.hpp"
#include "domu/vif/guest_tx.hpp"

namespace hush::domu {

class NetifEnd {
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
  NetifEnd(event::DataThread& thread, const Setup& setup, VifCounters& counters,
           std::function<void(Fault)> on_fault);
  ~NetifEnd();
  NetifEnd(const NetifEnd&) = delete;
  NetifEnd& operator=(const NetifEnd&) = delete;

  // An event came on a channel, which is masked: it is unmasked first.
  void on_event(EvtchnPort port);

 private:
  void on_tx_event();
  void on_rx_event();
  void run_tx();
  void run_rx();
  void again(void (NetifEnd::*run)());
  void notify(EvtchnPort port, bool wanted, DirectionCounters& counters);
  void fail(Fault fault);

  event::DataThread& thread_;
  VifCounters& counters_;
  std::function<void(Fault)> on_fault_;
  EvtchnPort tx_port_, rx_port_;
  GuestTx tx_;
  GuestRx rx_;
  event::FdWatcher tap_watcher_;
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for passes that are already posted
};

}  // namespace hush::domu
