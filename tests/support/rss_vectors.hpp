// The verification suite of receive-side scaling that Microsoft publishes for drivers ("Verifying the RSS
// Hash Calculation"), as frames and as hashes.
#pragma once
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hush::test {

inline std::span<const std::byte> rss_key() {
  static constexpr std::uint8_t kKey[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                            0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                            0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                            0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  return std::as_bytes(std::span(kKey));
}

struct RssVector {
  const char* source;
  std::uint16_t source_port;
  const char* destination;
  std::uint16_t destination_port;
  std::uint32_t of_addresses;
  std::uint32_t of_ports;

  [[nodiscard]] bool ipv6() const { return std::string_view(source).find(':') != std::string_view::npos; }
};

inline constexpr std::array<RssVector, 8> kRssVectors{{
    {"66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178},
    {"199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea},
    {"24.19.198.95", 12898, "12.22.207.184", 38024, 0xd2d0a5de, 0x5c2b394a},
    {"38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xafc7327f},
    {"153.39.163.191", 44251, "202.188.127.2", 1303, 0x5d1809c5, 0x10e828a2},
    {"3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d},
    {"3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0f0c461c, 0xdde51bbf},
    {"3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4b61e985, 0x02d1feef},
}};

// The bytes that are hashed: source address, destination address, source port, destination port.
inline std::vector<std::byte> rss_input(const RssVector& v, bool ports) {
  const std::size_t address = v.ipv6() ? 16 : 4;
  std::vector<std::byte> input(2 * address);
  inet_pton(v.ipv6() ? AF_INET6 : AF_INET, v.source, input.data());
  inet_pton(v.ipv6() ? AF_INET6 : AF_INET, v.destination, input.data() + address);
  for (const std::uint16_t port : {v.source_port, v.destination_port})
    if (ports) {
      input.push_back(static_cast<std::byte>(port >> 8));
      input.push_back(static_cast<std::byte>(port & 0xff));
    }
  return input;
}

// The packet as a frame: Ethernet, IP without options, a header of 20 bytes with the ports, TCP's shape.
inline std::vector<std::byte> rss_frame(const RssVector& v, std::uint8_t protocol) {
  const std::size_t ip = 14, transport = ip + (v.ipv6() ? 40 : 20);
  std::vector<std::byte> frame(transport + 20);
  const auto put = [&](std::size_t at, std::uint32_t value) { frame[at] = static_cast<std::byte>(value); };
  put(12, v.ipv6() ? 0x86 : 0x08);
  put(13, v.ipv6() ? 0xdd : 0x00);
  put(ip, v.ipv6() ? 0x60 : 0x45);
  put(ip + (v.ipv6() ? 6 : 9), protocol);
  const auto input = rss_input(v, true);
  const std::size_t addresses = input.size() - 4;
  std::copy_n(input.begin(), addresses, frame.begin() + static_cast<std::ptrdiff_t>(transport - addresses));
  std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(addresses), 4,
              frame.begin() + static_cast<std::ptrdiff_t>(transport));
  put(transport + 12, 5U << 4);
  return frame;
}

}  // namespace hush::test
