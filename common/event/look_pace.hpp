// After how many turns are descriptors, timers and posted work looked at? Pure.
//
// A look costs a system call. A turn is anything from an empty look at a ring (50 ns) to a batch of 64 KiB
// frames (200 us), so a fixed number of them would make looks half of the work of a poller, or late. The
// number follows what the turns took: looks are some 25 to 100 us apart, or each 8 turns where those take
// longer.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace hush::event {

class LookPace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kFewest = 8;
  static constexpr std::size_t kMost = 256;
  static constexpr std::chrono::microseconds kSoon{25}, kLate{100};

  [[nodiscard]] std::size_t turns() const { return turns_; }
  // A look is made now, after turns() turns or because nothing else is to be done.
  void looks(Time now) {
    const auto took = now - last_;
    last_ = now;
    if (took < kSoon)
      turns_ = std::min(turns_ * 2, kMost);
    else if (took > kLate)
      turns_ = std::max(turns_ / 2, kFewest);
  }

 private:
  std::size_t turns_ = kFewest;
  Time last_{};
};

}  // namespace hush::event
