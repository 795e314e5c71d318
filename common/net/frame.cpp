#include "common/net/frame.hpp"

#include <bit>
#include <cstring>

namespace hush::net {
namespace {

constexpr std::uint16_t kIpv4 = 0x0800, kIpv6 = 0x86dd, kVlan = 0x8100, kServiceVlan = 0x88a8;
constexpr std::uint8_t kTcp = 6, kUdp = 17;
constexpr std::size_t kEthernet = 14, kVlanTag = 4, kIpv4Min = 20, kIpv6Header = 40;
constexpr std::size_t kTcpMin = 20, kUdpHeader = 8;
constexpr std::uint16_t kTcpChecksum = 16, kUdpChecksum = 6;
constexpr int kMaxExtensions = 4;

std::uint8_t byte_at(std::span<const std::byte> b, std::size_t at) {
  return std::to_integer<std::uint8_t>(b[at]);
}
std::uint16_t word_at(std::span<const std::byte> b, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(b, at) << 8 | byte_at(b, at + 1));
}
void put_word(std::span<std::byte> b, std::size_t at, std::uint16_t value) {
  b[at] = static_cast<std::byte>(value >> 8);
  b[at + 1] = static_cast<std::byte>(value & 0xff);
}
std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

struct Payload {  // what IP carries, and where
  std::size_t start;
  std::uint8_t protocol;
};

std::optional<Payload> behind_ipv4(std::span<const std::byte> head, std::size_t ip) {
  const std::size_t length = (byte_at(head, ip) & 0xfU) * 4U;
  if (length < kIpv4Min) return std::nullopt;
  if (word_at(head, ip + 6) & 0x3fff) return std::nullopt;  // more fragments, or an offset
  return Payload{ip + length, byte_at(head, ip + 9)};
}

std::optional<Payload> behind_ipv6(std::span<const std::byte> head, std::size_t ip) {
  Payload next{ip + kIpv6Header, byte_at(head, ip + 6)};
  for (int i = 0; i <= kMaxExtensions; ++i) {
    constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60;
    if (next.protocol != kHopByHop && next.protocol != kRouting && next.protocol != kDestination) return next;
    if (head.size() < next.start + 2) return std::nullopt;
    next = {next.start + (byte_at(head, next.start + 1) + 1U) * 8U, byte_at(head, next.start)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Network> find_network(std::span<const std::byte> head) {
  if (head.size() < kEthernet) return std::nullopt;
  std::size_t ip = kEthernet;
  std::uint16_t type = word_at(head, kEthernet - 2);
  for (int tags = 0; tags < 2 && (type == kVlan || type == kServiceVlan); ++tags) {
    if (head.size() < ip + kVlanTag) return std::nullopt;
    type = word_at(head, ip + 2);
    ip += kVlanTag;
  }
  const bool ipv6 = type == kIpv6;
  if (type != kIpv4 && !ipv6) return std::nullopt;
  if (head.size() < ip + (ipv6 ? kIpv6Header : kIpv4Min)) return std::nullopt;
  if (byte_at(head, ip) >> 4 != (ipv6 ? 6 : 4)) return std::nullopt;
  return Network{static_cast<std::uint16_t>(ip), ipv6};
}

std::optional<Transport> find_transport(std::span<const std::byte> head) {
  const auto network = find_network(head);
  if (!network) return std::nullopt;
  const std::size_t ip = network->start;
  const auto payload = network->ipv6 ? behind_ipv6(head, ip) : behind_ipv4(head, ip);
  if (!payload || (payload->protocol != kTcp && payload->protocol != kUdp)) return std::nullopt;

  const bool tcp = payload->protocol == kTcp;
  if (head.size() < payload->start + (tcp ? kTcpMin : kUdpHeader)) return std::nullopt;
  const std::size_t length = tcp ? (byte_at(head, payload->start + 12) >> 4) * 4U : kUdpHeader;
  if (tcp && (length < kTcpMin || head.size() < payload->start + length)) return std::nullopt;
  return Transport{static_cast<std::uint16_t>(ip),
                   static_cast<std::uint16_t>(payload->start),
                   tcp ? kTcpChecksum : kUdpChecksum,
                   static_cast<std::uint16_t>(payload->start + length),
                   network->ipv6,
                   tcp};
}

void set_pseudo_checksum(std::span<std::byte> head, const Transport& transport, std::size_t payload) {
  const std::size_t ip = transport.ip_start;
  const auto addresses = transport.ipv6 ? head.subspan(ip + 8, 32) : head.subspan(ip + 12, 8);
  std::uint32_t sum = ones_sum(addresses, transport.tcp ? kTcp : kUdp);
  sum += static_cast<std::uint32_t>(payload);
  put_word(head, transport.start + std::size_t{transport.csum_offset}, fold(sum));
}

void complete_checksum(std::span<std::byte> frame, std::size_t start, std::size_t offset) {
  std::uint16_t sum = static_cast<std::uint16_t>(~fold(ones_sum(frame.subspan(start), 0)));
  // A UDP checksum of zero means "none": its other form is sent (RFC 768). For TCP both forms are the same.
  if (sum == 0) sum = 0xffff;
  put_word(frame, start + offset, sum);
}

std::uint32_t ones_sum(std::span<const std::byte> bytes, std::uint32_t sum) {
  // Summed in the machine's order and swapped at the end: the ones' complement sum allows it (RFC 1071, 2B).
  std::uint64_t wide = 0;
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    wide += word;
  }
  std::uint32_t last = 0;
  if (at < bytes.size()) std::memcpy(&last, bytes.data() + at, bytes.size() - at);
  wide += last;
  while (wide >> 16) wide = (wide & 0xffff) + (wide >> 16);
  auto folded = static_cast<std::uint16_t>(wide);
  if constexpr (std::endian::native == std::endian::little)
    folded = static_cast<std::uint16_t>(folded << 8 | folded >> 8);
  return sum + folded;
}

}  // namespace hush::net
