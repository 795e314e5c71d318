// The rules by which the rings of a vif change, from what an admin has set of it.
#pragma once
#include "dom0/area/area_bytes.hpp"
#include "dom0/area/pair_policy.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::dom0 {

// least: what the longest frames of the connection need, least_ring() of each.
[[nodiscard]] inline PairRules pair_rules(const xenstore::VifSettings& settings, const area::Sizes& least) {
  // Nothing is advised that area-limit would have this end refuse.
  std::uint32_t max = settings.area_max.bytes();
  while (max > area::kMinRing && area_bytes({max, max}) > std::uint64_t{settings.area_limit} * 1024) max /= 2;
  const auto rules = [&](std::uint32_t shortest, const xenstore::RingSize& fixed) {
    return SizeRules{.least = shortest,
                     .min = settings.area_min.bytes(),
                     .max = max,
                     .fixed = fixed.bytes(),
                     .shrink_after = settings.area_shrink_after};
  };
  return {.guest_tx = rules(least.guest_tx, settings.area_tx),
          .guest_rx = rules(least.guest_rx, settings.area_rx),
          .cooldown = settings.area_cooldown};
}

}  // namespace hush::dom0
