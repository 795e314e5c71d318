// What an area takes.
#pragma once
#include <cstdint>

#include "common/area/layout.hpp"

namespace hush::dom0 {

// Bytes of the pages of an area: header page, index pages, rings.
[[nodiscard]] constexpr std::uint64_t area_bytes(const area::Sizes& rings) {
  return std::uint64_t{area::header_of(1, rings.guest_tx, rings.guest_rx).pages} * kPageSize;
}

}  // namespace hush::dom0
