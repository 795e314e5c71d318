// The method by which a ring gets its length (reference/protocol-and-methods.md, 1.1; CN111796902A, "how
// big"): from what was sent comes a candidate length, and from that, the length in use and a threshold the
// length of the next ring. Pure.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

#include "common/area/layout.hpp"

namespace hush::dom0 {

// Longer ones make no difference: no ring holds them.
inline constexpr std::uint64_t kMostBurst = 2 * std::uint64_t{area::kMaxRing};

// The next power of two with room for half as much again: bursts vary, a record never crosses the end of the
// ring, and one that just fits would stall at the first burst that is longer.
[[nodiscard]] constexpr std::uint32_t candidate_length(std::uint64_t burst_bytes) {
  const std::uint64_t bytes = std::min(burst_bytes, kMostBurst);
  return static_cast<std::uint32_t>(
      std::bit_ceil(std::max<std::uint64_t>(bytes + (bytes + 1) / 2, area::kMinRing)));
}

// The decision: a candidate below the length in use is taken, one from there up to the threshold too, and of
// one above both the threshold.
[[nodiscard]] constexpr std::uint32_t decided_length(std::uint32_t candidate, std::uint32_t in_use,
                                                     std::uint32_t threshold) {
  if (candidate < in_use) return candidate;
  return candidate <= threshold ? candidate : threshold;
}

// A stream has no end, and any ring is full of it: its ring is counted in records, and in time.
//
// So many of the longest: both ends have several in hand, each of them writing or reading. 64 KiB frames were
// fastest in 1 MiB (reference/performance.md, 3.4; README.md, bench adapt). Sixteen of these records with
// their headers are a little more than that, and would make it 2 MiB.
inline constexpr std::uint32_t kStreamRecords = 12;
// Two batches of 64 (relay::kBatch), one being written while the other is read. 1500 B: 4.5 M/s in a ring of
// 32, 4.9 in one of 64, 8.9 in one of 128 (the same place) ...
inline constexpr std::uint32_t kStreamBatches = 2 * 64;
// ... which for longer frames would be more than a slow stream is worth.
inline constexpr std::uint32_t kStreamEnough = 256U << 10;
// Of small frames two batches pass in the time that a cache line takes to cross.
inline constexpr std::uint32_t kStreamLeast = 64U << 10;

// A fast stream gains from a longer one, whether it stalls or not: where the ring is as large as the cache
// that each core has of its own, lines have left it before the other core asks for them, and come from the
// shared one (cores of 1 MiB: 28, 38, 40 Gbit/s of 64 B in 256 KiB, 1 MiB, 4 MiB; 91, 171, 140 of 1500 B; 84,
// 206, 184 of 64 KiB) ...
inline constexpr std::uint32_t kCached = 1U << 20;
// ... bytes a second (20 Gbit/s): up to ten Gbit/s are no faster in more than 256 KiB, and in front of a slow
// consumer a longer ring makes frames older and nothing faster.
inline constexpr std::uint64_t kFast = 2'500'000'000;

[[nodiscard]] constexpr std::uint32_t fast_length(std::uint64_t bytes_a_second) {
  return bytes_a_second >= kFast ? kCached : 0;
}

[[nodiscard]] constexpr std::uint32_t stream_length(std::uint32_t longest_frame,
                                                    std::uint64_t bytes_a_second) {
  const std::uint32_t record = area::span_of(std::min(longest_frame, area::kMaxFrame));
  const std::uint32_t records =
      std::max({kStreamLeast, std::min(kStreamBatches * record, kStreamEnough), kStreamRecords * record});
  return std::max(std::bit_ceil(records), fast_length(bytes_a_second));
}

}  // namespace hush::dom0
