// Does the consumer of a ring go on? (common/area/README.md, section 7.) No clock and no effects in here:
// asked once a bound, it says whether the consumer stood still for that long.
#pragma once
#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

namespace hush::relay {

class Progress {
 public:
  enum class Verdict : std::uint8_t {
    idle,    // the ring is empty: nothing to watch
    moves,   // it took something since the last look, or this is the first
    stands,  // it took nothing since the last look, and something was there all the time
    late,    // the same, but who asks stood still as well: nothing can be said
  };

  // consumed: the peer's index as it stands now; waiting: what it has not taken yet, in bytes. late: this
  // look comes a bound or more after it was due, as where all of a machine was frozen for a while: the
  // consumer is given one more bound, once, or nothing would ever be said of one whose producer is always
  // late.
  Verdict look(std::uint32_t consumed, std::uint32_t waiting, bool late = false) {
    if (waiting == 0) {
      watched_ = false;
      return Verdict::idle;
    }
    if (watched_ && consumed == seen_) {
      if (late && !std::exchange(excused_, true)) return Verdict::late;
      return Verdict::stands;
    }
    watched_ = true;
    excused_ = false;
    seen_ = consumed;
    return Verdict::moves;
  }

 private:
  bool watched_ = false;
  bool excused_ = false;  // since it was seen to move
  std::uint32_t seen_ = 0;
};

// A peer that takes nothing.
struct Standstill {
  std::chrono::steady_clock::time_point since;  // when it was last seen to move
  std::string_view cause;
};
// lives: what the peer's byte in the header page says.
[[nodiscard]] constexpr std::string_view standstill_cause(bool lives) {
  return lives ? "the other end takes no frames" : "the other end has died";
}

}  // namespace hush::relay
