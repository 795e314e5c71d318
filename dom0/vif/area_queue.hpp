// A queue of a vif on the area path: its mapped area, its event channels, and the port behind it.
#pragma once
#include <memory>
#include <optional>

#include "common/relay/area_end.hpp"
#include "dom0/vif/counters.hpp"
#include "dom0/vif/mapped_area.hpp"
#include "dom0/vif/queue.hpp"

namespace hush::dom0 {

class AreaQueue final : public Queue, private relay::Meter {
 public:
  struct Setup {
    DomId peer;
    xenstore::QueueAddress address;  // with an area
    std::uint32_t max_pages;         // of an area
    QueueTimeouts timeouts;
  };
  // Binds the channels and maps the area; the error is the reason of a refusal. Nothing moves before start().
  // counters stay the caller's and outlive the queue.
  static Result<std::unique_ptr<AreaQueue>> connect(Worker& worker, const Setup& setup,
                                                    std::unique_ptr<relay::Port> port,
                                                    QueueCounters& counters, Reports reports);
  ~AreaQueue() override;

  void start() { end_->start(); }
  // Its rings have room for segments and for frames with blank checksums (common/area/README.md, section 9).
  [[nodiscard]] bool takes_offloads() const { return area::takes_offloads(area_.header()); }
  void capture_to(std::shared_ptr<net::Capture> capture) override;
  [[nodiscard]] QueueLook look() const override;
  void limit_by(std::shared_ptr<RateLimiter> limiter) override;
  void set_timeouts(QueueTimeouts timeouts) override { end_->set_stall(timeouts.area_stall); }
  void set_polling(const poll::Rules& rules) override { end_->set_polling(rules); }

 private:
  AreaQueue(Worker& worker, std::unique_ptr<relay::Port> port, QueueCounters& counters);
  Result<void> bind(const Setup& setup);
  void begin(const Setup& setup, Reports reports);
  [[nodiscard]] bool admits(std::uint32_t bytes) override;
  [[nodiscard]] std::chrono::steady_clock::time_point due() const override;

  event::DataThread& thread_;
  std::unique_ptr<relay::Port> port_;
  QueueCounters& counters_;
  EvtchnPort tx_port_{};
  EvtchnPort rx_port_{};  // tx_port_ again where one channel serves both
  MappedArea area_;
  QueueCredit credit_;
  std::shared_ptr<net::Capture> capture_;
  std::unique_ptr<relay::AreaEnd> end_;
};

}  // namespace hush::dom0
