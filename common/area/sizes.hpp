// How long the two rings of an area are.
#pragma once
#include <cstdint>

namespace hush::area {

struct Sizes {  // bytes, powers of two
  std::uint32_t guest_tx = 0;
  std::uint32_t guest_rx = 0;
  bool operator==(const Sizes&) const = default;
};

}  // namespace hush::area
