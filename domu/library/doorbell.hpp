// The event channel of a connection, in the hands of the application's thread: taken and sent without loss
// and without a storm.
#pragma once
#include <chrono>
#include <optional>
#include <utility>

#include "common/event/storm_guard.hpp"
#include "common/xen/event_channels.hpp"

namespace hush {

class Doorbell {
 public:
  using Clock = std::chrono::steady_clock;
  Doorbell(xen::EventChannels& channels, EvtchnPort port) : channels_(channels), port_(port) {}

  // To the other end. What cannot be sent now is owed: tick() tries again.
  void ring() {
    if (!channels_.notify(port_)) owed_ = true;
  }
  // An event came, and the port is masked.
  void rang() { masked_ = true; }
  // Takes events again: before the look at the rings, so that what comes from now on is told. work: how much
  // was ever done, so that a peer that only rings is found out.
  void listen(std::uint64_t work) {
    if (!std::exchange(masked_, false)) return;
    const auto wait = storm_.after_event(work);
    if (wait.count() == 0)
      channels_.unmask(port_);
    else
      late_ = Clock::now() + wait;
  }
  void tick(Clock::time_point now) {
    if (owed_) owed_ = !channels_.notify(port_);
    if (late_ && now >= *late_) {
      late_.reset();
      channels_.unmask(port_);
    }
  }
  // When tick() is to be called although nothing happens.
  [[nodiscard]] std::optional<Clock::time_point> due() const {
    // An event is owed for far less than what a peer takes for a stall.
    const auto again = owed_ ? std::optional(Clock::now() + std::chrono::milliseconds(10)) : std::nullopt;
    return again && (!late_ || *again < *late_) ? again : late_;
  }

 private:
  xen::EventChannels& channels_;
  EvtchnPort port_;
  bool masked_ = false;  // an event came, and none is taken since
  bool owed_ = false;    // an event could not be sent
  event::StormGuard storm_;
  std::optional<Clock::time_point> late_;  // when events of a storm are taken again
};

}  // namespace hush
