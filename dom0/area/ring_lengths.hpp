// The two rings of an area by their lengths, and what an area of them takes.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

#include "common/area/layout.hpp"

namespace hush::dom0 {

struct RingLengths {  // bytes, powers of two
  std::uint32_t guest_tx = 0;
  std::uint32_t guest_rx = 0;
  bool operator==(const RingLengths&) const = default;
};

// Bytes of the pages of such an area: header page, index pages, rings.
[[nodiscard]] constexpr std::uint64_t area_bytes(const RingLengths& rings) {
  return std::uint64_t{area::header_of(1, rings.guest_tx, rings.guest_rx).pages} * kPageSize;
}

// The shortest ring that takes frames of this length, 1 to area::kMaxFrame. A switch keeps the longest frames
// (common/area/README.md, 10.2), so no ring of that connection may be shorter.
[[nodiscard]] constexpr std::uint32_t least_ring(std::uint32_t longest_frame) {
  return std::max(area::kMinRing, std::bit_ceil(2 * area::span_of(longest_frame)));
}

}  // namespace hush::dom0
