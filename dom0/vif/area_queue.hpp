// A queue of a vif on the area path: its event channels, and the port behind it. The areas that it works in
// are the control thread's (QueueAreas), and there as long as the queue is not stopped.
#pragma once
#include <memory>
#include <optional>

#include "common/relay/area_end.hpp"
#include "dom0/vif/area_file.hpp"
#include "dom0/vif/counters.hpp"
#include "dom0/vif/queue.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class AreaQueue final : public Queue, private relay::Meter {
 public:
  // Binds the channels; the error is the reason of a refusal. counters stay the caller's and outlive the
  // queue.
  static Result<std::unique_ptr<AreaQueue>> connect(Worker& worker, DomId peer,
                                                    const xenstore::QueueAddress& address,
                                                    std::unique_ptr<relay::Port> port,
                                                    QueueCounters& counters);
  ~AreaQueue() override;
  // Own, of guest_tx's channel: for the last word of a mapping.
  [[nodiscard]] EvtchnPort tx_port() const { return tx_port_; }

  struct Start {
    area::View area;
    std::optional<AreaFile> file;  // where it keeps where it stands; none: nowhere
    bool again = false;            // it goes on there, for a daemon that died
    // Of one that goes on, where its file has them. The one that was left is not used once this is done.
    std::optional<area::View> staged, left;
  };
  // Takes up its area. Nothing moves before start(). moved: on the data thread, once both directions are in
  // the area that was staged. stirs: as AreaEnd's. The error is why it cannot go on; of one that begins,
  // none.
  Result<void> begin(Start start, QueueTimeouts timeouts, Reports reports, std::function<void()> moved,
                     std::function<void()> stirs);
  void start() {
    started_ = true;
    again_ ? end_->start_again() : end_->start();
  }
  // The end of traffic: no area is touched any more, and all of them may be unmapped.
  void stop() { end_.reset(); }
  // As AreaEnd. The memory stays the caller's. seat: of the same.
  void stage(const area::View& next, const area::Seat& seat);
  // The area that it has moved out of is to be unmapped.
  void forget_left() {
    if (keeper_) keeper_->forget_other();
  }
  // An advice of this number is to be given.
  void advises(std::uint32_t number) {
    if (keeper_) keeper_->advises(number);
  }
  [[nodiscard]] bool unstage(bool withdrawn) { return end_->unstage(withdrawn); }
  [[nodiscard]] relay::AreaEnd::Demands demands() { return end_->demands(); }
  void capture_to(std::shared_ptr<net::Capture> capture) override;
  [[nodiscard]] QueueLook look() const override;
  void limit_by(std::shared_ptr<RateLimiter> limiter) override;
  void set_timeouts(QueueTimeouts timeouts) override { end_->set_stall(timeouts.area_stall); }
  void set_polling(const poll::Rules& rules) override { end_->set_polling(rules); }

 private:
  AreaQueue(Worker& worker, std::unique_ptr<relay::Port> port, QueueCounters& counters);
  Result<void> bind(DomId peer, const xenstore::QueueAddress& address);
  [[nodiscard]] bool admits(std::uint32_t bytes) override;
  [[nodiscard]] std::chrono::steady_clock::time_point due() const override;

  event::DataThread& thread_;
  std::unique_ptr<relay::Port> port_;
  QueueCounters& counters_;
  EvtchnPort tx_port_{};
  EvtchnPort rx_port_{};  // tx_port_ again where one channel serves both
  area::View area_, next_;
  QueueCredit credit_;
  std::shared_ptr<net::Capture> capture_;
  std::optional<inflight::File> file_;
  std::optional<area::MappedKeeper> keeper_;  // of file_
  bool again_ = false, started_ = false;
  std::unique_ptr<relay::AreaEnd> end_;
};

}  // namespace hush::dom0
