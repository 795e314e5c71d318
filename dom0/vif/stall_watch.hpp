// A guest that takes no frames: how long has it been so, and what follows? No clock and no effects in here.
//
// A frame *waits* from when it is in hand and the guest has posted fewer receive buffers than it needs. (One
// buffer is not enough for a frame of two: XSA-392.) After `drain` it is dropped. The guest *starves* its vif
// from the first frame that waits until buffers enough are there, whatever was dropped meanwhile; after
// `stall` it is stalled, until then. The values and the effects are those of Linux's netback
// (rx_drain_timeout_msecs, rx_stall_timeout_msecs).
#pragma once
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace hush::dom0 {

struct RxTimeouts {
  std::chrono::milliseconds stall{60000};  // 0: never
  std::chrono::milliseconds drain{10000};  // 0: never
  bool operator==(const RxTimeouts&) const = default;
};

class StallWatch {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  struct Due {
    bool drop = false;   // what waits is to be dropped
    bool stall = false;  // the guest counts as stalled from now on
    bool operator==(const Due&) const = default;
  };

  void set(RxTimeouts timeouts) { timeouts_ = timeouts; }

  // A frame waits. Harmless to say again.
  void wait(Time now) {
    if (!starving_) starving_ = now;
    if (!waiting_) waiting_ = now;
  }
  // Buffers enough are there. True: the guest was stalled, and is not any more.
  [[nodiscard]] bool fed() {
    starving_.reset();
    waiting_.reset();
    return std::exchange(stalled_, false);
  }
  // What is due now, said once; dropping is what the caller then does.
  [[nodiscard]] Due check(Time now) {
    Due due;
    if (passed(waiting_, timeouts_.drain, now)) {
      due.drop = true;
      waiting_.reset();
    }
    if (!stalled_ && passed(starving_, timeouts_.stall, now)) due.stall = stalled_ = true;
    return due;
  }
  // When check() has something to say, if nothing happens before; none: never.
  [[nodiscard]] std::optional<Time> next() const {
    std::optional<Time> next;
    if (waiting_ && timeouts_.drain.count() > 0) next = *waiting_ + timeouts_.drain;
    if (starving_ && !stalled_ && timeouts_.stall.count() > 0) {
      const Time stall = *starving_ + timeouts_.stall;
      next = next ? std::min(*next, stall) : stall;
    }
    return next;
  }

  [[nodiscard]] bool stalled() const { return stalled_; }
  [[nodiscard]] std::optional<Time> starving_since() const { return starving_; }

 private:
  static bool passed(std::optional<Time> since, std::chrono::milliseconds timeout, Time now) {
    return since && timeout.count() > 0 && now - *since >= timeout;
  }

  RxTimeouts timeouts_;
  std::optional<Time> starving_;
  std::optional<Time> waiting_;
  bool stalled_ = false;
};

}  // namespace hush::dom0
