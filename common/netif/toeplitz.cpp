#include "common/netif/toeplitz.hpp"

#include <algorithm>

namespace hush::netif {

void Toeplitz::set_key(std::span<const std::byte> key) {
  std::array<std::byte, kMaxKey> padded{};
  std::copy(key.begin(), key.end(), padded.begin());
  // The 32 key bits that begin at a bit. The last bit of the input needs the last bit of the key.
  static_assert(kMaxInput * 8 - 1 + 32 <= kMaxKey * 8);
  const auto window = [&](std::size_t bit) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      const std::size_t at = bit / 8 + i;
      bits = bits << 8 | (at < kMaxKey ? std::to_integer<std::uint64_t>(padded[at]) : 0);
    }
    return static_cast<std::uint32_t>(bits >> (8 - bit % 8));
  };
  for (std::size_t n = 0; n < nibble_.size(); ++n)
    for (std::size_t value = 0; value < 16; ++value) {
      std::uint32_t sum = 0;
      for (std::size_t bit = 0; bit < 4; ++bit)
        if (value & (8U >> bit)) sum ^= window(n * 4 + bit);
      nibble_[n][value] = sum;
    }
}

std::uint32_t Toeplitz::operator()(std::span<const std::byte> input) const {
  std::uint32_t hash = 0;
  const auto* table = nibble_.data();
  for (const std::byte byte : input) {
    const auto value = std::to_integer<std::size_t>(byte);
    hash ^= (*table++)[value >> 4];
    hash ^= (*table++)[value & 15];
  }
  return hash;
}

}  // namespace hush::netif
