// A peer that sends events for nothing: how long is its channel left masked? (XSA-391; reliability.md H25,
// H26.)
//
// An event is *for nothing* when no work was done for its port since the event before it. An honest peer
// sends one only when it has put something into a ring, so between two of its events there always is work,
// even where a poll has done that work before the event was looked at. A few in a row are let pass, then the
// channel stays masked for 1, 2, 4 ... ms, up to a second; work ends it at once. Linux counts the same way
// for its own drivers (xen_irq_lateeoi), but leaves a user of /dev/xen/evtchn alone with its storms.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace hush::event {

class StormGuard {
 public:
  static constexpr unsigned kFree = 4;  // events for nothing in a row that cost nothing
  static constexpr std::chrono::milliseconds kLongest{1000};

  // Call once for each event, when it has been dealt with. work: what was done for the port so far, as a
  // count that never goes back. The answer: how long to leave the port masked; 0: take events at once.
  [[nodiscard]] std::chrono::milliseconds after_event(std::uint64_t work) {
    for_nothing_ = work != work_ ? 0 : std::min(for_nothing_ + 1, kFree + kDoublings);
    work_ = work;
    if (for_nothing_ <= kFree) return std::chrono::milliseconds(0);
    return std::min(kLongest, std::chrono::milliseconds(1U << (for_nothing_ - kFree - 1)));
  }

 private:
  static constexpr unsigned kDoublings = 11;  // 1 << 10 is beyond kLongest
  std::uint64_t work_ = 0;
  unsigned for_nothing_ = 0;
};

}  // namespace hush::event
