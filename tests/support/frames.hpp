// Ethernet frames to test with. The IP packet and its checksums come from libtins, an implementation that is
// not ours; VLAN tags, IPv4 options and IPv6 extension headers are put in by hand, because their exact
// place is what the tests are about. (They do not touch the TCP or UDP checksum.)
#pragma once
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <vector>

namespace hush::test {

struct Shape {
  bool ipv6 = false;
  bool tcp = true;
  std::vector<std::uint16_t> vlan_tags = {};  // their EtherTypes, outermost first
  std::size_t ip_option_words = 0;            // IPv4: 0 to 10
  std::vector<std::uint8_t> extensions = {};  // IPv6: kinds, in order
  std::vector<std::uint8_t> extension_units =
      {};                            // IPv6: length field of each, 8 bytes more than this times 8
  std::size_t tcp_option_bytes = 0;  // 0 to 40; rounded up to 4
  std::vector<std::uint8_t> payload = {1, 2, 3};
};

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << (s.ipv6 ? "IPv6" : "IPv4") << (s.tcp ? " TCP " : " UDP ") << s.vlan_tags.size() << " tags, "
             << s.ip_option_words << " option words, " << s.extensions.size() << " extensions, "
             << s.tcp_option_bytes << " bytes of TCP options, payload " << s.payload.size();
}

// Where things lie in the frame of a shape, counted here and not by the code under test.
struct Layout {
  std::size_t ip, transport, payload;
};

struct Frame {
  std::vector<std::byte> bytes;
  Layout at{};
};

inline Frame make_frame(const Shape& shape) {
  const Tins::RawPDU payload(shape.payload);
  Tins::TCP tcp(5001, 40000);
  tcp.seq(0x12345678);
  tcp.window(777);
  tcp.flags(Tins::TCP::ACK | Tins::TCP::PSH);
  for (std::size_t i = 0; i < shape.tcp_option_bytes; ++i) tcp.add_option(Tins::TCP::option(Tins::TCP::NOP));
  const Tins::UDP udp(53, 40001);
  std::vector<std::uint8_t> packet;
  const auto serialize = [&](auto ip) {
    if (shape.tcp)
      packet = (ip / tcp / payload).serialize();
    else
      packet = (ip / udp / payload).serialize();
  };
  if (shape.ipv6)
    serialize(Tins::IPv6("fd00::11:22", "fd00:1:2:3:4:5:6:7"));
  else
    serialize(Tins::IP("192.168.17.3", "10.200.3.250"));

  // IPv4 options: one NOP after the other; header and total length say so.
  std::size_t ip_header = shape.ipv6 ? 40 : 20;
  if (shape.ip_option_words > 0) {
    packet.insert(packet.begin() + 20, shape.ip_option_words * 4, std::uint8_t{1});
    ip_header += shape.ip_option_words * 4;
    packet[0] = static_cast<std::uint8_t>(0x40 | (5 + shape.ip_option_words));
    const std::size_t total = packet.size();
    packet[2] = static_cast<std::uint8_t>(total >> 8);
    packet[3] = static_cast<std::uint8_t>(total);
  }
  // IPv6 extension headers: each names the next, the last names what the fixed header named.
  std::uint8_t last = packet[6];
  std::size_t link = 6;
  for (std::size_t i = 0; i < shape.extensions.size(); ++i) {
    const std::uint8_t units = i < shape.extension_units.size() ? shape.extension_units[i] : std::uint8_t{0};
    const std::size_t length = (units + 1U) * 8U;
    packet.insert(packet.begin() + static_cast<std::ptrdiff_t>(ip_header), length, std::uint8_t{1});
    packet[link] = shape.extensions[i];
    link = ip_header;
    packet[link + 1] = units;
    packet[link] = last;
    ip_header += length;
  }
  if (!shape.extensions.empty()) {
    const std::size_t length = packet.size() - 40;
    packet[4] = static_cast<std::uint8_t>(length >> 8);
    packet[5] = static_cast<std::uint8_t>(length);
  }

  std::vector<std::uint8_t> link_header{0x00, 0x16, 0x3e, 1, 2, 3, 0x00, 0x16, 0x3e, 4, 5, 6};
  std::uint16_t tci = 100;
  for (const std::uint16_t tag : shape.vlan_tags) {
    link_header.insert(link_header.end(),
                       {static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag),
                        static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)});
    ++tci;
  }
  const std::uint16_t type = shape.ipv6 ? 0x86dd : 0x0800;
  link_header.insert(link_header.end(),
                     {static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type)});

  Frame frame;
  frame.at.ip = link_header.size();
  frame.at.transport = frame.at.ip + ip_header;
  frame.at.payload = frame.at.transport + (shape.tcp ? 20 + (shape.tcp_option_bytes + 3) / 4 * 4 : 8);
  for (const auto* part : {&link_header, &packet})
    for (const std::uint8_t byte : *part) frame.bytes.push_back(std::byte{byte});
  return frame;
}

}  // namespace hush::test
