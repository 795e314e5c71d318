// Looks into an Ethernet frame in private memory: where its TCP or UDP checksum is, and sums.
// Pure functions over bytes; a frame may be anything, a guest wrote it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hush::net {

// How much of a frame's head is enough for find_transport in practice: Ethernet, two VLAN tags, IPv6 with
// extension headers, TCP with options. A frame with more headers than this has no offload.
inline constexpr std::size_t kHeadBytes = 256;

struct Network {
  std::uint16_t start;  // first byte of the IP header
  bool ipv6;
};

struct Transport {
  std::uint16_t ip_start;      // first byte of the IP header
  std::uint16_t start;         // first byte of the TCP or UDP header: virtio's csum_start
  std::uint16_t csum_offset;   // from there to the checksum field
  std::uint16_t header_bytes;  // Ethernet to the end of the TCP or UDP header: virtio's hdr_len
  bool ipv6;
  bool tcp;
};

// Where the IP header lies, behind up to two VLAN tags. nullopt: none, or its fixed part (20 or 40 bytes) is
// not wholly inside head.
[[nodiscard]] std::optional<Network> find_network(std::span<const std::byte> head);

// Where the transport header of an unfragmented TCP or UDP packet lies, behind up to two VLAN tags, IPv4
// options or IPv6 extension headers. nullopt: none, or not wholly inside head.
[[nodiscard]] std::optional<Transport> find_transport(std::span<const std::byte> head);

// Writes the pseudo-header's sum, not inverted, into the checksum field, as an offloading sender leaves it.
// payload: bytes from Transport::start to the end of the packet. head as given to find_transport.
void set_pseudo_checksum(std::span<std::byte> head, const Transport& transport, std::size_t payload);

// Completes a checksum that was left as a pseudo-header sum: the whole frame must be there.
// start + offset + 2 <= frame.size().
void complete_checksum(std::span<std::byte> frame, std::size_t start, std::size_t offset);

// The ones' complement sum of RFC 1071 over bytes, starting with sum; not folded to the end nor inverted.
[[nodiscard]] std::uint32_t ones_sum(std::span<const std::byte> bytes, std::uint32_t sum);

}  // namespace hush::net
