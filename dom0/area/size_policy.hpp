// When a ring of a pair gets another length, and which: for one direction. It looks for the shortest ring
// that does not stall, grows at once and to the length that is needed, and shrinks only when a shorter ring
// would have done for long. Pure: the caller has the clock and the samples; of times only differences count.
//
// Control thread.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "common/area/demand.hpp"
#include "dom0/area/candidate.hpp"

namespace hush::dom0 {

using Time = std::chrono::nanoseconds;  // since any moment, always the same one

// Bytes, powers of two from area::kMinRing to area::kMaxRing.
struct SizeRules {
  std::uint32_t least = area::kMinRing;  // no ring of this connection may be shorter: least_ring()
  std::uint32_t min = 16U << 10;
  std::uint32_t max = 4U << 20;  // the threshold T of the method; where it is below min, min counts
  std::uint32_t fixed = 0;       // what an admin says, whatever the traffic is; 0: nothing
  Time shrink_after = std::chrono::seconds(5);
  bool operator==(const SizeRules&) const = default;
};

// What of the past counts for growing.
inline constexpr Time kWindow = std::chrono::seconds(1);
// A ring grows when its producer found no room so often within the window: less is a hiccup of the consumer.
inline constexpr std::uint64_t kStallsToGrow = 8;
// Or so often, when bursts are known that take more than three quarters of it: twice is a habit.
inline constexpr std::uint64_t kStallsOfLongBursts = 2;
// A burst of so many of the largest rings is a stream: no ring would hold it, and a long one is slower for
// it.
inline constexpr std::uint64_t kStreamRings = 1;
// And bursts that come so often are pieces of one, cut by a consumer that keeps up for a moment: TCP from TAP
// to TAP comes in pieces of 2 to 20 MiB, 7 Gbit/s in 512 KiB as in 4 MiB.
inline constexpr std::uint64_t kStreamPiecesASecond = 200;
// Where a shrinking was a mistake (the ring had to grow again within the time that it had taken) the next one
// takes twice as long, up to so many doublings: a load that alternates keeps the ring that it needs at times.
inline constexpr unsigned kMostDoublings = 4;

struct Decision {
  enum class Cause : std::uint8_t {
    none,      // the length in use stays
    bound,     // outside of what is allowed, or not what an admin says
    stalls,    // grows
    held_less  // shrinks
  };
  std::uint32_t length = 0;  // bytes; the one in use where it stays
  Cause cause = Cause::none;
  std::string reason;  // for an admin, one line; empty where it stays
};

class SizePolicy {
 public:
  explicit SizePolicy(const SizeRules& rules = {}) : rules_(rules) {}
  void set(const SizeRules& rules) { rules_ = rules; }
  // The most that the host's budget gives it now, bytes; below minimum(), that counts.
  void set_share(std::uint32_t bytes) { share_ = bytes; }
  // What no budget takes from it, bytes.
  [[nodiscard]] std::uint32_t minimum() const;

  // sample: of the interval that ended now. length: of the ring in use, bytes.
  Decision look(Time now, Time interval, const area::DemandSample& sample, std::uint32_t length) {
    learn(now, interval, sample, length);
    return decide(now, length);
  }
  // The two halves of it. anyway: the other direction makes a switch needed, so that less of a reason does.
  void learn(Time now, Time interval, const area::DemandSample& sample, std::uint32_t length);
  [[nodiscard]] Decision decide(Time now, std::uint32_t length, bool anyway = false) const;
  // A shorter one may do soon, as far as one knows after half of the time.
  [[nodiscard]] bool may_shrink_soon(Time now, std::uint32_t length) const;
  // A ring of another length is in use; cause: of the decision.
  void on_switched(Time now, std::uint32_t before, std::uint32_t length, Decision::Cause cause);

  // What it would take if the host's budget were endless, bytes.
  [[nodiscard]] std::uint32_t wanted(Time now) const;
  // What it comes down to when nothing comes any more, bytes.
  [[nodiscard]] std::uint32_t rests_at() const { return rules_.fixed != 0 ? fixed() : floor(); }
  // How long a shorter ring must have been enough before it is taken.
  [[nodiscard]] Time patience() const { return rules_.shrink_after * (1 << doublings_); }

 private:
  static constexpr unsigned kLengths = std::bit_width(area::kMaxRing / area::kMinRing);
  static constexpr std::uint32_t length_at(unsigned i) { return area::kMinRing << i; }

  [[nodiscard]] std::uint32_t floor() const { return std::max(rules_.min, rules_.least); }
  [[nodiscard]] std::uint32_t threshold() const { return std::max(rules_.max, floor()); }
  [[nodiscard]] std::uint32_t fixed() const { return std::max(rules_.fixed, rules_.least); }
  [[nodiscard]] bool is_stream(const area::DemandSample& sample) const;
  [[nodiscard]] std::uint32_t needed(const area::DemandSample& sample, std::uint32_t length) const;
  struct Growth {
    std::uint32_t length = 0;  // 0: none is needed
    std::string reason;
  };
  [[nodiscard]] Growth growth(std::uint32_t length, std::uint64_t stalls_to_grow) const;
  [[nodiscard]] std::uint32_t shrunk(Time now, std::uint32_t length, bool anyway) const;
  void was_short(Time now, std::uint32_t needed);
  [[nodiscard]] std::uint32_t enough_for(Time now, Time span) const;

  SizeRules rules_;
  std::uint32_t share_ = area::kMaxRing;
  // The window as two halves, of which the older is forgotten when the newer is full. Bursts are those of the
  // intervals that had no stream.
  struct Half {
    area::DemandSample sum;
    std::uint64_t stream_stalls = 0;
    Time covers{0};
  };
  [[nodiscard]] Half window() const;
  Half newer_, older_;
  std::uint64_t bytes_a_second_ = 0;       // in the last interval
  bool streams_ = false;                   // in the last interval
  bool begun_ = false;                     // a sample was seen
  bool skip_ = false;                      // the next one is still of the ring before
  std::array<Time, kLengths> short_at_{};  // when a ring of length_at(i) was last too short
  unsigned doublings_ = 0;
  bool shrank_ = false;
  Time shrank_at_{0};
};

}  // namespace hush::dom0
