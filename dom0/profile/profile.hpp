// What is known of a workload (the setting of this name): how large the rings were that its vifs used, and
// what an admin pinned.
//
// A *peak* is the most that one vif used on one day. So a busy hour of the night is not forgotten by noon, a
// vif that is looked at often counts no more than another one, and what several observers saw of the same day
// can be put together in any order (merged()). Pure; no thread of its own.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hush::dom0 {

// Seconds since 1970, of the clock on the wall: it is kept over restarts. Where it matters it is an argument.
using WallTime = std::chrono::sys_seconds;
[[nodiscard]] inline WallTime wall_time() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// What a vif uses.
struct RingUse {
  std::uint32_t guest_tx = 0;  // bytes of a ring, the largest of its queues; a power of two, 4 KiB to 32 MiB
  std::uint32_t guest_rx = 0;
  std::uint32_t queues = 0;  // 1 to 8
  bool operator==(const RingUse&) const = default;
};
// Why no vif can use that, in words; empty: one can.
[[nodiscard]] std::string impossibility(const RingUse& use);

// One look at a running vif.
struct Observation {
  std::string workload;  // 1 to 64 characters (xenstore::is_workload())
  std::string vif;       // whose it was: "vif3.0"
  WallTime at;
  RingUse use;
};

struct PeakKey {
  std::string vif;
  std::int64_t day = 0;  // since 1970
  auto operator<=>(const PeakKey&) const = default;
};
struct Peak {
  RingUse use;  // of each the largest
  WallTime first, last;
  std::uint64_t observations = 1;
};
// Two parts of one peak. In any order, and the same part may not come twice (only observations would count
// it).
[[nodiscard]] Peak merged(const Peak& a, const Peak& b);

// What an admin said. It is stronger than what was learned, and does not age.
struct Pin {
  RingUse use;  // queues may be 0: nothing is said of them
  WallTime at;
};

struct Profile {
  std::optional<Pin> pin;
  std::map<PeakKey, Peak> peaks;
};
using Profiles = std::map<std::string, Profile, std::less<>>;  // by workload

// A peak that was last seen before that does not count any more. It stays written until kMaxPeaks push it
// out: a clock that was wrong for a while loses nothing.
inline constexpr std::chrono::days kMaxAge{30};
// Of a workload are kept: the newest. Of all, workloads with any: beyond them new ones are not learned.
inline constexpr std::size_t kMaxPeaks = 256;
inline constexpr std::size_t kMaxWorkloads = 1024;

[[nodiscard]] PeakKey key_of(const Observation& seen);
// Adds what was seen; keeps the newest kMaxPeaks.
void add(Profile& profile, const PeakKey& key, const Peak& peak);

// What counts of the peaks now.
struct RecentUse {
  RingUse use;  // of the rings the 90th percentile, each by itself; of queues the most
  std::size_t peaks = 0;
};
// nullopt: no peak is young enough. Of queues the most counts, not the 90th percentile: a vif never uses more
// than it was offered, so any other rule could only go down.
[[nodiscard]] std::optional<RecentUse> recent_use(const Profile& profile, WallTime now);

// The 90th percentile by nearest rank: one of the values. They: at least one.
[[nodiscard]] std::uint32_t p90(std::vector<std::uint32_t> values);

}  // namespace hush::dom0
