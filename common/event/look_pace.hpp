// After how many turns are descriptors, timers and posted work looked at? Pure.
//
// A look costs a system call. A turn is anything from an empty look at a ring (10 ns) to a batch of 64 KiB
// frames (200 us), so a fixed number of them would make looks half of the work of a poller, or late. The
// number follows what the turns took: looks are some 25 to 100 us apart, or each kFewest turns where those
// take longer. One with work counts for its frames (kWeightOfFrame), so that a number that is right for
// short ones is not too far off when long ones come: by kMost batches of 64 frames are 32.
//
// It says too how many of those that were quiet for long may be asked between two looks.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace hush::event {

class LookPace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kFewest = 8;
  static constexpr std::size_t kMost = 16384;
  static constexpr std::size_t kWeightOfFrame = 8;
  static constexpr std::chrono::microseconds kSoon{25}, kLate{100};
  // One quiet one for so much time that went into others: its turn costs some 20 ns.
  static constexpr std::chrono::nanoseconds kPerQuietTurn{800};

  [[nodiscard]] std::size_t turns() const { return turns_; }
  // A look is made now, after turns() turns or because nothing else is to be done.
  void looks(Time now) {
    took_ = now - last_;
    last_ = now;
    if (took_ < kSoon)
      turns_ = std::min(turns_ * 2, kMost);
    else if (took_ > kLate)
      turns_ = std::max(turns_ / 2, kFewest);
  }
  // With this look.
  [[nodiscard]] std::size_t quiet_turns() const { return static_cast<std::size_t>(took_ / kPerQuietTurn); }

 private:
  std::size_t turns_ = kFewest;
  Time last_{};
  Time::duration took_{};  // from the look before
};

}  // namespace hush::event
