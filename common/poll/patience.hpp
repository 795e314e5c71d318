// What came to a queue so far, and so how long it is worth waiting for more: a moving average of the times
// between arrivals. Pure: whoever serves the queue has the clock, and reads it once each time that the queue
// is found empty, never for a packet.
//
// Not thread-safe: it belongs to the queue's data thread.
#pragma once
#include "common/poll/rules.hpp"

namespace hush::poll {

class Patience {
 public:
  // A silence counts as so many wake costs and no more, or a night without traffic would be remembered
  // through the next thousand packets. One silence ends the polling, a handful of quick arrivals resumes it.
  static constexpr int kSilence = 16;
  // A new time between arrivals has this share of the average.
  static constexpr int kShare = 8;

  void set(const Rules& rules) { rules_ = rules; }
  [[nodiscard]] const Rules& rules() const { return rules_; }

  // So many frames came, at some moment since the last drained().
  void arrived(std::uint64_t count) { came_ += count; }
  // All that came is done, and nothing more is there. The answer: how long to ask again from now on (0: sleep
  // at once). now: since any moment, the same one each time.
  [[nodiscard]] Time drained(Time now) {
    if (came_ != 0) {
      // Over all that came: what gathers while one sleeps came as quickly as it is many.
      learn((now - drained_at_) / static_cast<Time::rep>(came_));
      came_ = 0;
      drained_at_ = now;
    }
    return budget(rules_, mean_);
  }
  // The time between arrivals, on average; at most kSilence wake costs.
  [[nodiscard]] Time expected() const { return mean_; }

 private:
  void learn(Time between) { mean_ += (std::min(between, kSilence * rules_.wake_cost) - mean_) / kShare; }

  Rules rules_{};
  std::uint64_t came_ = 0;  // since drained_at_
  Time drained_at_{0};
  Time mean_ = kSilence * kUsualWakeCost;  // nothing is expected of one that is new
};

}  // namespace hush::poll
