// A queue of a vif: what it shares with the back end, its event channels, and the path that its packets take,
// which the back end decides: areas that were offered (common/area/README.md), or the rings of netif.h.
//
// Made, started and destroyed by the control thread, which owns the shared pages; in between it runs on the
// data thread.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/event/data_thread.hpp"
#include "common/relay/area_end.hpp"
#include "common/xen/grant_share.hpp"
#include "domu/vif/netif_end.hpp"
#include "domu/vif/queue_areas.hpp"
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
  // Where the keys of its area lie, for the time that it is served.
  struct AreaPlace {
    boost::asio::io_context& loop;
    xenstore::Client& store;
    std::string device;   // the front end's directory
    std::string backend;  // the back end's
    std::size_t number, queues;
    std::function<void(const std::string&)> say;
  };
  // Called on the data thread, once; the queue has stopped by then. why: for the log.
  using OnFault = std::function<void(Fault fault, std::string why)>;
  // On the data thread: the back end stands still on the area path; none: not any more.
  using OnStall = std::function<void(std::optional<relay::Standstill>)>;

  // Shares the ring pages and allocates the channels. Nothing moves before a start. counters: outlive it.
  static Result<std::unique_ptr<Queue>> create(event::DataThread& thread, xen::GrantShare& shares,
                                               const Setup& setup, QueueCounters& counters, OnFault on_fault,
                                               OnStall on_stall);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // An area to be offered, in the place of one that was shared before and not started. After an error there
  // is none. Before a start, as the next two.
  Result<void> share_area(area::Sizes sizes);
  void drop_area() { area_.reset(); }
  // What the netif path takes beside the rings; once is enough.
  Result<void> share_buffers();

  // The back end is connected: traffic begins. Once, one of the two; harmless after a fault. Needs the
  // buffers.
  void start_netif();
  // Needs the area.
  // on_moved: on the data thread, when moved() is to be called.
  Result<void> start_area(const AreaPlace& place, std::chrono::milliseconds stall,
                          std::function<void()> on_moved);
  void moved() {
    if (areas_) areas_->moved();
  }
  // How it is polled from now on; before a start as well.
  void set_polling(const poll::Rules& rules);
  [[nodiscard]] xenstore::QueueAddress address() const;
  [[nodiscard]] bool offers_area() const { return area_.has_value(); }

 private:
  Queue(event::DataThread& thread, xen::GrantShare& shares, const Setup& setup, QueueCounters& counters,
        OnFault on_fault, OnStall on_stall);
  Result<void> share_rings();
  Result<void> open_channels();
  void on_event(EvtchnPort port);
  void apply_polling();

  event::DataThread& thread_;
  xen::GrantShare& shares_;
  Setup setup_;
  QueueCounters& counters_;
  OnFault on_fault_;
  OnStall on_stall_;
  xen::SharedPages tx_ring_, rx_ring_, tx_buffers_, rx_buffers_;
  std::optional<netif::TxFront> tx_;
  std::optional<netif::RxFront> rx_;
  std::optional<SharedArea> area_;
  std::unique_ptr<QueueAreas> areas_;  // once it is served by areas
  // From here on: the data thread's.
  poll::Rules polling_{};
  std::uint64_t life_ = 0;  // of the thread, in which the ports were made
  EvtchnPort tx_port_{};
  EvtchnPort rx_port_{};  // tx_port_ again where one channel serves both
  std::unique_ptr<NetifEnd> netif_end_;
  std::unique_ptr<relay::Port> port_;
  std::unique_ptr<relay::AreaEnd> area_end_;
};

}  // namespace hush::domu
