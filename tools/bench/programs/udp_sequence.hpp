// What a receiver of numbered packets knows about them: how many were lost, came twice, came late. Pure.
#pragma once
#include <algorithm>
#include <bitset>
#include <cstdint>

namespace hush::bench {

class UdpSequence {
 public:
  // A packet's number, counted from 0 by the sender.
  void see(std::uint64_t number) {
    if (number >= next_) {
      for (auto skipped = number - std::min(number - next_, kWindow); skipped < number; ++skipped)
        seen_[skipped % kWindow] = false;
      seen_[number % kWindow] = true;
      next_ = number + 1;
      ++received_;
      return;
    }
    ++reordered_;
    if (next_ - number > kWindow) return;  // too late to tell whether it is new: it stays lost
    if (seen_[number % kWindow]) {
      ++duplicated_;
      --reordered_;
      return;
    }
    seen_[number % kWindow] = true;
    ++received_;
  }

  std::uint64_t received() const { return received_; }      // each packet once
  std::uint64_t duplicated() const { return duplicated_; }  // came again
  std::uint64_t reordered() const { return reordered_; }    // came after a later one
  // Of `sent` packets in all; what was cut off at the end too.
  std::uint64_t lost(std::uint64_t sent) const { return sent > received_ ? sent - received_ : 0; }

 private:
  static constexpr std::uint64_t kWindow = 1 << 16;
  std::bitset<kWindow> seen_;
  std::uint64_t next_ = 0;
  std::uint64_t received_ = 0, duplicated_ = 0, reordered_ = 0;
};

}  // namespace hush::bench
