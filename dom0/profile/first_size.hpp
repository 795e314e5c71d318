// With which rings and how many queues a vif begins: the back end's first advice (common/area/README.md,
// section 10), before anything is known of this connection. After that the adaptation decides.
//
// Pure. Sources, the strongest first; for each direction by itself:
//   1. what an admin set for the vif (settings area-tx, area-rx)
//   2. the profile of its workload: pinned by an admin, else the 90th percentile of the recent peaks
//   3. vifs of the same workload that run on this host: what they use now; of several the 90th percentile
//   4. the default of the class (kDefaultRing)
// Then the limits: whole powers of two, not below and not above what is allowed, and the area as a whole
// within its pages.
//
// Queues come from the profile alone, and never above what is allowed: as many as are pinned, or twice the
// most that were used. Twice, so that a guest which has grown can show it; less than all, so that vifs which
// use few do not keep grants from their guest's other vifs.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dom0/profile/profile.hpp"

namespace hush::dom0 {

// Both rings of a vif of which nothing is known, bytes: the least that takes what kernels leave undone.
inline constexpr std::uint32_t kDefaultRing = 256U << 10;

struct SizeLimits {
  std::uint32_t least_ring;  // bytes; powers of two, 4 KiB to 32 MiB, least <= most
  std::uint32_t most_ring;
  std::uint32_t most_pages;  // of the area of a queue
  std::uint32_t max_queues;  // at least 1
};

struct SizeSources {
  std::optional<std::uint32_t> set_tx, set_rx;  // bytes, at least 1; nullopt: nothing is set
  std::string workload;                         // empty: none, and the next two are not looked at
  std::optional<Profile> profile;
  std::span<const RingUse> running;  // other vifs of this workload, on this host
};

struct FirstSize {
  std::uint32_t guest_tx = 0;  // bytes; both 0: not even the smallest area is allowed, so nothing is advised
  std::uint32_t guest_rx = 0;
  std::uint32_t queues = 0;  // to be offered at most
  std::string source;        // for an admin: where the numbers come from, and what cut them
};
[[nodiscard]] FirstSize first_size(const SizeSources& sources, const SizeLimits& limits, WallTime now);

}  // namespace hush::dom0
