// Who sends an event, and when: one for each sleep of the other end, none to one that is awake (README.md,
// section 6).
//
// A word is 0 (awake) or the number of a sleep. One end publishes it, the other reads it after a full fence.
#pragma once
#include <cstdint>

namespace hush::area {

// Of the one that sleeps: the numbers of its sleeps. They must go on over new areas and restarts, so the last
// one is kept by whoever outlives them.
class SleepNumbers {
 public:
  explicit SleepNumbers(std::uint32_t last = 0) : last_(last) {}
  [[nodiscard]] std::uint32_t next() {
    if (++last_ == 0) last_ = 1;
    return last_;
  }
  [[nodiscard]] std::uint32_t last() const { return last_; }

 private:
  std::uint32_t last_;
};

// Of the one that notifies. A fresh one has notified for no sleep.
class Doorbell {
 public:
  // word: what the other end has published. True: it sleeps, and has not been sent the event of this sleep.
  [[nodiscard]] bool rings(std::uint32_t word) {
    if (word == 0 || word == rung_for_) return false;
    rung_for_ = word;
    return true;
  }

 private:
  std::uint32_t rung_for_ = 0;
};

}  // namespace hush::area
