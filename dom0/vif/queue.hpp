// A queue of a connected vif: its ring pair, its event channels, its end of the TAP. Lives on one data
// thread, from the constructor to the destructor; the control thread holds it but only reads counters().
//
// An event or a readable TAP makes the thread serve it in turns, both directions each. As long as it has
// turns it asks for no event: its channels stay masked, req_event stays where it was, so an honest guest
// sends none. When it rests it listens again, asks for the events that it needs, and looks once more.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/event/data_thread.hpp"
#include "common/net/capture.hpp"
#include "dom0/vif/guest_rx.hpp"
#include "dom0/vif/guest_tx.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

// A data thread and the memory that its queues share.
struct Worker {
  std::unique_ptr<event::DataThread> thread;
  std::unique_ptr<BatchMemory> memory;
  std::size_t queues = 0;  // the control thread's count, for spreading
};

// A queue as it stands, to be shown.
struct QueueLook {
  ring::Look tx, rx;
  EvtchnPort tx_port, rx_port;  // own ends of the channels
  std::string_view state;       // "serving", "failed", or what it waits for
  std::optional<std::chrono::steady_clock::time_point> stalled_since;  // the guest takes no frames
};

class Queue final : private event::Served {
 public:
  // Called on the data thread, once, when the guest lied; the queue has stopped by then.
  using OnFault = std::function<void(std::string reason)>;

  // On the data thread. Maps the rings, attaches where the ring says it stands, binds the channels, and
  // starts both directions. tap and counters stay the caller's and outlive the queue.
  static Result<std::unique_ptr<Queue>> connect(Worker& worker, DomId peer,
                                                const xenstore::QueueAddress& address,
                                                const xenstore::Features& frontend, int tap,
                                                QueueCounters& counters, const VifShare& share,
                                                OnFault on_fault);
  // On the data thread.
  ~Queue();

  // On the data thread: frames of both directions go to the file from now on; null ends it.
  void capture_to(std::shared_ptr<net::Capture> capture);
  // On the data thread.
  [[nodiscard]] QueueLook look() const;

 private:
  Queue(Worker& worker, DomId peer, const xenstore::QueueAddress& address, const xenstore::Features& frontend,
        int tap, QueueCounters& counters, const VifShare& share, xen::MappedPages tx_page,
        xen::MappedPages rx_page, OnFault on_fault);
  Result<void> bind(DomId peer);
  bool turn() override;
  bool rest() override;
  void wake();
  void wait_for_frames();
  void look_again();
  // A pass of one direction and the event that it owes. True: it moved something.
  template <class Direction>
  bool pass(Direction& direction, EvtchnPort port, DirectionCounters& counters);
  void notify(EvtchnPort port, bool wanted, DirectionCounters& counters);
  void fail(std::string_view reason);

  event::DataThread& thread_;
  xenstore::QueueAddress address_;
  xen::MappedPages tx_page_;
  xen::MappedPages rx_page_;
  OnFault on_fault_;
  QueueCounters& counters_;
  int tap_;
  VifShare share_;
  bool rx_notify_;  // the front end tells when it has posted receive buffers
  GuestTx tx_;
  GuestRx rx_;
  event::FdWatcher tap_watcher_;
  boost::asio::steady_timer look_again_timer_;
  EvtchnPort tx_port_{};
  EvtchnPort rx_port_{};                   // tx_port_ again where one channel serves both
  std::shared_ptr<net::Capture> capture_;  // the vif's queues write into one file
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);          // for what the loop still holds of us
  std::optional<std::chrono::steady_clock::time_point> starved_since_;  // receive buffers are missing
};

}  // namespace hush::dom0
