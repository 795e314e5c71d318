// Which bytes of a frame are hashed, and as what: the hash types of <xen/io/netif.h>.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/netif/hash_state.hpp"

namespace hush::dom0 {

struct PacketHash {
  std::uint8_t type;  // netif::hash_type
  std::uint32_t value;
};

// The most specific hash that the guest has enabled and that fits the frame: addresses and ports of an
// unfragmented TCP packet, otherwise addresses. nullopt: none does. The frame may be anything.
[[nodiscard]] std::optional<PacketHash> hash_packet(const netif::HashState& state,
                                                    std::span<const std::byte> frame);

}  // namespace hush::dom0
