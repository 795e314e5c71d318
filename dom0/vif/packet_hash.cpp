#include "dom0/vif/packet_hash.hpp"

#include <algorithm>
#include <array>

#include "common/net/frame.hpp"

namespace hush::dom0 {
namespace {

// In both versions the source address comes first, the destination follows, and so do the ports in TCP.
constexpr std::size_t kIpv4Addresses = 12, kIpv4AddressBytes = 8;
constexpr std::size_t kIpv6Addresses = 8, kIpv6AddressBytes = 32;
constexpr std::size_t kPortBytes = 4;

}  // namespace

std::optional<PacketHash> hash_packet(const netif::HashState& state, std::span<const std::byte> frame) {
  namespace type = netif::hash_type;
  const auto network = net::find_network(frame);
  if (!network) return std::nullopt;
  const std::uint8_t of_addresses = network->ipv6 ? type::kIpv6 : type::kIpv4;
  const std::uint8_t of_ports = network->ipv6 ? type::kIpv6Tcp : type::kIpv4Tcp;
  const auto addresses = network->ipv6 ? frame.subspan(network->start + kIpv6Addresses, kIpv6AddressBytes)
                                       : frame.subspan(network->start + kIpv4Addresses, kIpv4AddressBytes);
  if (state.hashes(of_ports)) {
    if (const auto transport = net::find_transport(frame); transport && transport->tcp) {
      std::array<std::byte, netif::Toeplitz::kMaxInput> input;
      const auto ports = std::copy(addresses.begin(), addresses.end(), input.begin());
      std::copy_n(frame.begin() + transport->start, kPortBytes, ports);
      return PacketHash{of_ports, state.hash(std::span(input).first(addresses.size() + kPortBytes))};
    }
  }
  if (!state.hashes(of_addresses)) return std::nullopt;
  return PacketHash{of_addresses, state.hash(addresses)};
}

}  // namespace hush::dom0
