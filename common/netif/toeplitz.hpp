// The Toeplitz hash of receive-side scaling, as <xen/io/netif.h> defines it ("Hash algorithms").
//
// Each bit of the input that is 1 adds (xor) the 32 bits of the key that begin at that bit's position. Here
// four bits are looked up at a time: a table of 16 words for each nibble of the input, made when the key is
// set. A TCP/IPv4 hash is then 24 loads from 1.5 KiB.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hush::netif {

class Toeplitz {
 public:
  static constexpr std::size_t kMaxKey = 40;    // bytes; XEN_NETBK_MAX_HASH_KEY_SIZE of Linux's netback
  static constexpr std::size_t kMaxInput = 36;  // bytes: two IPv6 addresses and two ports

  // key: at most kMaxKey bytes; what is missing counts as zero. An empty key makes every hash zero.
  void set_key(std::span<const std::byte> key);
  // input: at most kMaxInput bytes, in the order of the wire.
  [[nodiscard]] std::uint32_t operator()(std::span<const std::byte> input) const;

 private:
  std::array<std::array<std::uint32_t, 16>, 2 * kMaxInput> nibble_{};
};

}  // namespace hush::netif
