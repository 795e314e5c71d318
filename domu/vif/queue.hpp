// A queue of a connected vif: its ring pair and buffers, shared with the back end, its event channels, its
// end of the TAP. Made and destroyed by the control thread, which owns the shared pages; in between it runs
// on the data thread.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "common/event/data_thread.hpp"
#include "common/xen/grant_share.hpp"
#include "domu/vif/guest_rx.hpp"
#include "domu/vif/guest_tx.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::domu {

class Queue {
 public:
  struct Setup {
    DomId peer;
    int tap = -1;                       // non-blocking, of the caller, outlives the queue
    bool sg = false;                    // the back end takes frames of several slots
    bool split_event_channels = false;  // one channel for each direction
  };
  // Called on the data thread, once; the queue has stopped by then.
  using OnFault = std::function<void(Fault)>;

  // Shares everything and allocates the channels. Nothing is read from the TAP before start().
  static Result<std::unique_ptr<Queue>> create(event::DataThread& thread, xen::GrantShare& shares,
                                               const Setup& setup, VifCounters& counters, OnFault on_fault);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // The back end is connected: traffic begins, and it is told to look at both rings.
  void start();
  [[nodiscard]] xenstore::QueueAddress address() const;

 private:
  struct Shares {
    xen::SharedPages tx_ring, rx_ring, tx_buffers, rx_buffers;
  };
  Queue(event::DataThread& thread, Shares shares, const Setup& setup, VifCounters& counters,
        OnFault on_fault);
  Result<void> open_channels(DomId peer, bool split);
  void on_tx_event();
  void on_rx_event();
  void run_tx();
  void run_rx();
  void again(void (Queue::*run)());
  void notify(EvtchnPort port, bool wanted, DirectionCounters& counters);
  void fail(Fault fault);

  event::DataThread& thread_;
  Shares shares_;
  int tap_;
  VifCounters& counters_;
  OnFault on_fault_;
  // From here on: the data thread's.
  GuestTx tx_;
  GuestRx rx_;
  std::optional<event::FdWatcher> tap_watcher_;
  EvtchnPort tx_port_{};
  EvtchnPort rx_port_{};  // tx_port_ again where one channel serves both
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for passes that are already posted
};

}  // namespace hush::domu
