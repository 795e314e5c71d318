// A queue of a vif on the netif path: its ring pair, its event channels, its end of the TAP. Lives on one
// data thread, from the constructor to the destructor; the control thread holds it but only reads counters().
//
// An event or a readable TAP makes the thread serve it in turns, both directions each. As long as it has
// turns, polling included, it asks for no event: its channels stay masked, req_event stays where it was, so
// an honest guest sends none. When it rests it listens again, asks for the events that it needs, and looks
// once more. What it waits for without an event (credit of its vif's rate; buffers that never come) is a
// timer of the thread's.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "dom0/vif/guest_rx.hpp"
#include "dom0/vif/guest_tx.hpp"
#include "dom0/vif/queue.hpp"

namespace hush::dom0 {

class NetifQueue final : public Queue, private event::Served {
 public:
  // On the data thread. Maps the rings, attaches where the in-flight file of guest_tx says it stands, or
  // else where the ring says so, binds the channels, and starts both directions. tap and counters stay the
  // caller's and outlive the queue.
  static Result<std::unique_ptr<NetifQueue>> connect(Worker& worker, DomId peer,
                                                     const xenstore::QueueAddress& address,
                                                     const xenstore::Features& frontend, int tap,
                                                     QueueCounters& counters, const VifShare& share,
                                                     Reports reports, const TxFile& file = {});
  // On the data thread.
  ~NetifQueue() override;

  // How guest_tx began. On any thread.
  [[nodiscard]] const TxResumed& resumed() const { return resumed_; }
  void capture_to(std::shared_ptr<net::Capture> capture) override;
  [[nodiscard]] QueueLook look() const override;
  void limit_by(std::shared_ptr<RateLimiter> limiter) override;
  void set_timeouts(QueueTimeouts timeouts) override;
  void set_polling(const poll::Rules& rules) override;

 private:
  NetifQueue(Worker& worker, DomId peer, const xenstore::QueueAddress& address,
             const xenstore::Features& frontend, int tap, QueueCounters& counters, const VifShare& share,
             xen::MappedPages tx_page, xen::MappedPages rx_page, Reports reports, TxStart start);
  Result<void> bind(DomId peer);
  std::uint64_t turn() override;
  bool rest() override;
  void wake();
  void listen();
  void wait_for_frames();
  void look_again();
  [[nodiscard]] std::optional<Stall> stall_of_guest() const;
  bool wait_for_credit();  // false: nothing waits for it
  void watch_backlog();
  void arm_backlog_timer();
  void on_backlog_timer();
  // A pass of one direction. True: it moved something.
  template <class Direction>
  bool pass(Direction& direction, const Tell& tell);
  void notify(EvtchnPort port, bool wanted, DirectionCounters& counters);
  void notify_both();
  [[nodiscard]] bool pass_on();
  void fail(std::string_view reason);

  event::DataThread& thread_;
  xenstore::QueueAddress address_;
  xen::MappedPages tx_page_;
  xen::MappedPages rx_page_;
  Reports reports_;
  QueueCounters& counters_;
  int tap_;
  VifShare share_;
  bool rx_notify_;  // the front end tells when it has posted receive buffers
  const TxResumed resumed_;
  GuestTx tx_;
  GuestRx rx_;
  const Tell tell_of_tx_ = [this](bool wanted) { notify(tx_port_, wanted, counters_.guest_tx); };
  const Tell tell_of_rx_ = [this](bool wanted) { notify(rx_port_, wanted, counters_.guest_rx); };
  event::FdWatcher tap_watcher_;
  boost::asio::steady_timer look_again_timer_;
  boost::asio::steady_timer credit_timer_;
  StallWatch stall_;
  boost::asio::steady_timer backlog_timer_;
  bool backlog_timer_runs_ = false;
  EvtchnPort tx_port_{};
  EvtchnPort rx_port_{};                   // tx_port_ again where one channel serves both
  std::shared_ptr<net::Capture> capture_;  // the vif's queues write into one file
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what the loop still holds of us
};

}  // namespace hush::dom0
