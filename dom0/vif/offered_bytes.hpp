// What the areas that a front end offers for some of its queues take together, as it says. Pure.
#pragma once
#include <cstdint>
#include <span>

#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

// Queues without an area take nothing.
[[nodiscard]] inline std::uint64_t offered_bytes(std::span<const xenstore::QueueAddress> queues) {
  std::uint64_t pages = 0;
  for (const auto& queue : queues)
    if (queue.area) pages += queue.area->pages;
  return pages * kPageSize;
}

}  // namespace hush::dom0
