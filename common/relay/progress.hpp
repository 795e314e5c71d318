// Does the consumer of a ring go on? (common/area/README.md, section 7.) No clock and no effects in here:
// asked once a bound, it says whether the consumer stood still for that long.
#pragma once
#include <chrono>
#include <cstdint>
#include <string_view>

namespace hush::relay {

class Progress {
 public:
  enum class Verdict : std::uint8_t {
    idle,    // the ring is empty: nothing to watch
    moves,   // it took something since the last look, or this is the first
    stands,  // it took nothing since the last look, and something was there all the time
  };

  // consumed: the peer's index as it stands now; waiting: what it has not taken yet, in bytes.
  Verdict look(std::uint32_t consumed, std::uint32_t waiting) {
    if (waiting == 0) {
      watched_ = false;
      return Verdict::idle;
    }
    if (watched_ && consumed == seen_) return Verdict::stands;
    watched_ = true;
    seen_ = consumed;
    return Verdict::moves;
  }

 private:
  bool watched_ = false;
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
