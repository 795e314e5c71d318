// Do we find the TCP or UDP header of any frame, in nothing but that frame, and sum as the rest of the world?
#include "common/net/frame.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <memory>

#include "tests/support/frames.hpp"

namespace hush::net {
namespace {

using test::Frame, test::make_frame, test::Shape;
using Bytes = std::vector<std::byte>;

constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;
constexpr std::uint16_t kVlan = 0x8100, kServiceVlan = 0x88a8;

std::vector<std::uint8_t> payload(std::size_t length) {
  std::vector<std::uint8_t> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + length);
  return bytes;
}

// find_transport over memory that ends where the bytes end.
std::optional<Transport> find(std::span<const std::byte> bytes) {
  const std::unique_ptr<std::byte[]> exact(new std::byte[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return find_transport({exact.get(), bytes.size()});
}

std::uint8_t& byte_of(Bytes& bytes, std::size_t at) {
  return reinterpret_cast<std::uint8_t&>(bytes[at]);
}
unsigned word_of(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes[at]) << 8 | std::to_integer<unsigned>(bytes[at + 1]);
}

Shape udp4() {
  Shape shape;
  shape.tcp = false;
  return shape;
}
Shape tcp6() {
  Shape shape;
  shape.ipv6 = true;
  return shape;
}

// Shapes that have a transport header to find.
rc::Gen<Shape> shapes() {
  return rc::gen::exec([] {
    Shape s;
    s.ipv6 = *rc::gen::inRange(0, 2);
    s.tcp = *rc::gen::inRange(0, 2);
    s.vlan_tags = *rc::gen::container<std::vector<std::uint16_t>>(*rc::gen::inRange<std::size_t>(0, 3),
                                                                  rc::gen::element(kVlan, kServiceVlan));
    if (s.ipv6) {
      s.extensions = *rc::gen::container<std::vector<std::uint8_t>>(
          *rc::gen::inRange<std::size_t>(0, 5), rc::gen::element(kHopByHop, kRouting, kDestination));
      s.extension_units = *rc::gen::container<std::vector<std::uint8_t>>(
          s.extensions.size(), rc::gen::inRange<std::uint8_t>(0, 4));
    } else {
      s.ip_option_words = *rc::gen::inRange<std::size_t>(0, 11);
    }
    if (s.tcp) s.tcp_option_bytes = *rc::gen::inRange<std::size_t>(0, 41);
    s.payload = payload(*rc::gen::inRange<std::size_t>(0, 1500));
    return s;
  });
}
// ---------------------------------------------------------------- where the header is

void expect_found(const Shape& shape) {
  const Frame frame = make_frame(shape);
  const auto transport = find(frame.bytes);
  ASSERT_TRUE(transport) << shape;
  EXPECT_EQ(transport->ip_start, frame.at.ip) << shape;
  EXPECT_EQ(transport->start, frame.at.transport) << shape;
  EXPECT_EQ(transport->csum_offset, shape.tcp ? 16 : 6) << shape;
  EXPECT_EQ(transport->header_bytes, frame.at.payload) << shape;
  EXPECT_EQ(transport->ipv6, shape.ipv6);
  EXPECT_EQ(transport->tcp, shape.tcp);
}

TEST(FindTransport, PlainFrames) {
  for (const bool ipv6 : {false, true})
    for (const bool tcp : {false, true}) {
      Shape shape;
      shape.ipv6 = ipv6;
      shape.tcp = tcp;
      expect_found(shape);
    }
}
TEST(FindTransport, UpToTwoVlanTags) {
  for (const auto& tags :
       {std::vector<std::uint16_t>{kVlan}, {kServiceVlan}, {kServiceVlan, kVlan}, {kVlan, kVlan}}) {
    Shape shape = tcp6();
    shape.vlan_tags = tags;
    expect_found(shape);
    shape = udp4();
    shape.vlan_tags = tags;
    expect_found(shape);
  }
  Shape three = udp4();
  three.vlan_tags = {kVlan, kVlan, kVlan};
  EXPECT_FALSE(find(make_frame(three).bytes));
}
TEST(FindTransport, Ipv4Options) {
  for (std::size_t words = 0; words <= 10; ++words) {
    Shape shape = udp4();
    shape.ip_option_words = words;
    expect_found(shape);
  }
}
TEST(FindTransport, Ipv6ExtensionHeaders) {
  for (const std::uint8_t kind : {kHopByHop, kRouting, kDestination}) {
    Shape shape = tcp6();
    shape.extensions = {kind};
    expect_found(shape);
    shape.extension_units = {3};
    expect_found(shape);
  }
  Shape four = tcp6();
  four.extensions = {kHopByHop, kDestination, kRouting, kDestination};
  expect_found(four);
  Shape five = four;
  five.extensions.push_back(kDestination);
  EXPECT_FALSE(find(make_frame(five).bytes)) << "a bounded walk";
}
TEST(FindTransport, TcpOptions) {
  for (std::size_t bytes = 0; bytes <= 40; ++bytes) {
    Shape shape;
    shape.tcp_option_bytes = bytes;
    expect_found(shape);
  }
}

TEST(FindTransport, FragmentsHaveNone) {
  Bytes frame = make_frame(udp4()).bytes;
  byte_of(frame, 14 + 6) = 0x40;  // don't fragment: no fragment
  EXPECT_TRUE(find(frame));
  byte_of(frame, 14 + 6) = 0x20;  // more fragments
  EXPECT_FALSE(find(frame));
  byte_of(frame, 14 + 6) = 0x10;  // offset, high bits
  EXPECT_FALSE(find(frame));
  byte_of(frame, 14 + 6) = 0x00;
  byte_of(frame, 14 + 7) = 0x01;  // offset, low bits
  EXPECT_FALSE(find(frame));
  Shape six = tcp6();
  six.extensions = {kFragment};
  EXPECT_FALSE(find(make_frame(six).bytes));
  six.extensions = {kDestination, kFragment};
  EXPECT_FALSE(find(make_frame(six).bytes));
}
TEST(FindTransport, OtherProtocolsHaveNone) {
  Bytes frame = make_frame(udp4()).bytes;
  for (const int protocol : {0, 1, 2, 41, 47, 50, 58, 132, 255}) {
    byte_of(frame, 14 + 9) = static_cast<std::uint8_t>(protocol);
    EXPECT_FALSE(find(frame)) << protocol;
  }
  frame = make_frame(udp4()).bytes;
  for (const unsigned type : {0x0806U, 0x8847U, 0x0801U, 0x9100U, 60U}) {
    byte_of(frame, 12) = static_cast<std::uint8_t>(type >> 8);
    byte_of(frame, 13) = static_cast<std::uint8_t>(type);
    EXPECT_FALSE(find(frame)) << type;
  }
}
TEST(FindTransport, HeadersThatContradictThemselvesHaveNone) {
  const Bytes good = make_frame(Shape{}).bytes;
  Bytes frame = good;
  byte_of(frame, 14) = 0x44;  // an IPv4 header shorter than one
  EXPECT_FALSE(find(frame));
  byte_of(frame, 14) = 0x65;  // version 6 behind the type of IPv4
  EXPECT_FALSE(find(frame));
  frame = good;
  byte_of(frame, 14 + 20 + 12) = 0x40;  // a TCP header shorter than one
  EXPECT_FALSE(find(frame));
  Bytes six = make_frame(tcp6()).bytes;
  byte_of(six, 14) = 0x45;
  EXPECT_FALSE(find(six));
}
TEST(FindTransport, AnExtensionHeaderThatLeavesTheFrameHasNone) {
  Shape shape = tcp6();
  shape.extensions = {kDestination};
  Bytes frame = make_frame(shape).bytes;
  byte_of(frame, 14 + 40 + 1) = 255;
  EXPECT_FALSE(find(frame));
}

// Cut at any length the frame has the same header, or none: never another, and nothing is read behind the
// cut.
RC_GTEST_PROP(FindTransport, ATruncatedHeadHasTheSameHeaderOrNone, ()) {
  const Shape shape = *shapes();
  const Frame frame = make_frame(shape);
  for (std::size_t length = 0; length <= std::min<std::size_t>(frame.bytes.size(), frame.at.payload + 2);
       ++length) {
    const auto transport = find(std::span(frame.bytes).first(length));
    RC_ASSERT(transport.has_value() == (length >= frame.at.payload));
    if (transport)
      RC_ASSERT(transport->start == frame.at.transport && transport->header_bytes == frame.at.payload);
  }
}

// Anything at all: what is found lies in what was given.
void expect_inside(std::span<const std::byte> bytes) {
  const auto transport = find(bytes);
  if (!transport) return;
  RC_ASSERT(transport->ip_start >= 14);
  RC_ASSERT(transport->ip_start + 20 <= transport->start);
  RC_ASSERT(transport->start + transport->csum_offset + 2 <= transport->header_bytes);
  RC_ASSERT(transport->header_bytes <= bytes.size());
}
RC_GTEST_PROP(FindTransport, StaysInsideAnyBytes, (const std::vector<std::uint8_t>& random)) {
  const auto* first = reinterpret_cast<const std::byte*>(random.data());
  expect_inside({first, random.size()});
}
RC_GTEST_PROP(FindTransport, StaysInsideADamagedFrame, ()) {
  Bytes frame = make_frame(*shapes()).bytes;
  const auto damages = *rc::gen::container<std::vector<std::pair<std::uint8_t, std::uint8_t>>>(
      rc::gen::pair(rc::gen::inRange<std::uint8_t>(12, 120), rc::gen::arbitrary<std::uint8_t>()));
  for (const auto& [at, value] : damages)
    if (at < frame.size()) byte_of(frame, at) = value;
  const auto length = *rc::gen::inRange<std::size_t>(0, frame.size() + 1);
  expect_inside(std::span(frame).first(length));
}

// ---------------------------------------------------------------- checksums, against libtins

// What an offloading sender leaves, completed, is what libtins computed for the same packet. Empty, or what
// differs.
std::string checksum_difference(const Shape& shape) {
  const Frame frame = make_frame(shape);
  const auto transport = find(frame.bytes);
  if (!transport) return "no transport header";
  const std::size_t field = std::size_t{transport->start} + transport->csum_offset;
  Bytes ours = frame.bytes;
  byte_of(ours, field) = 0xde;  // whatever stood there before
  byte_of(ours, field + 1) = 0xad;
  set_pseudo_checksum(std::span(ours).first(transport->header_bytes), *transport,
                      ours.size() - transport->start);
  complete_checksum(ours, transport->start, transport->csum_offset);
  // Zero has two forms; ours is the one that means zero for UDP too.
  const unsigned theirs = word_of(frame.bytes, field) == 0 ? 0xffff : word_of(frame.bytes, field);
  if (word_of(ours, field) != theirs)
    return "checksum " + std::to_string(word_of(ours, field)) + ", libtins says " + std::to_string(theirs);
  ours[field] = frame.bytes[field];
  ours[field + 1] = frame.bytes[field + 1];
  return ours == frame.bytes ? "" : "other bytes were changed";
}
RC_GTEST_PROP(Checksum, CompletedIsWhatLibtinsComputes, ()) {
  RC_ASSERT(checksum_difference(*shapes()) == "");
}

TEST(Checksum, LargePackets) {
  // A whole 64 KiB segment, as a guest hands it over: the pseudo-header's length needs its 16 bits.
  for (const std::size_t length : {8000U, 65000U}) {
    Shape shape;
    shape.payload = payload(length);
    EXPECT_EQ(checksum_difference(shape), "");
    shape.ipv6 = true;
    EXPECT_EQ(checksum_difference(shape), "");
  }
}

TEST(Checksum, PseudoHeaderIsAsASenderLeavesIt) {
  // 192.168.17.3 -> 10.200.3.250, TCP, 23 bytes: c0a8+1103+0ac8+03fa+0006+0017, by hand.
  Frame frame = make_frame(Shape{});
  const auto transport = find(frame.bytes);
  ASSERT_TRUE(transport);
  set_pseudo_checksum(frame.bytes, *transport, 23);
  unsigned sum = 0xc0a8 + 0x1103 + 0x0ac8 + 0x03fa + 6 + 23;
  sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(word_of(frame.bytes, transport->start + 16U), sum);
}

// RFC 768: a UDP checksum that comes out as zero is sent as 0xffff, for zero says "none".
TEST(Checksum, AUdpChecksumOfZeroIsSentAsItsOtherForm) {
  for (const bool ipv6 : {false, true}) {
    Shape shape = udp4();
    shape.ipv6 = ipv6;
    shape.payload = {0, 0};
    Frame frame = make_frame(shape);
    const std::size_t field = frame.at.transport + 6;
    // The payload that is missing to a sum of ones is the checksum itself.
    shape.payload = {std::to_integer<std::uint8_t>(frame.bytes[field]),
                     std::to_integer<std::uint8_t>(frame.bytes[field + 1])};
    frame = make_frame(shape);
    const auto transport = find(frame.bytes);
    ASSERT_TRUE(transport);
    set_pseudo_checksum(frame.bytes, *transport, 10);
    complete_checksum(frame.bytes, transport->start, transport->csum_offset);
    EXPECT_EQ(word_of(frame.bytes, field), 0xffffU);
  }
}

TEST(Checksum, ReachesTheLastTwoBytesAndNoFurther) {
  // start + offset + 2 == size is allowed.
  const std::unique_ptr<std::byte[]> exact(new std::byte[4]{});
  exact[0] = std::byte{0x12};
  complete_checksum({exact.get(), 4}, 0, 2);
  EXPECT_EQ(word_of({exact.get(), 4}, 2), 0xffffU - 0x1200U);
}

// ---------------------------------------------------------------- the sum itself

std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}
// RFC 1071 word by word, as in its section 4.1.
std::uint16_t plain_sum(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += static_cast<std::uint64_t>(std::to_integer<unsigned>(bytes[i])) << (i % 2 ? 0 : 8);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}
Bytes as_bytes(const std::vector<std::uint8_t>& from) {
  Bytes bytes;
  for (const std::uint8_t b : from) bytes.push_back(std::byte{b});
  return bytes;
}

RC_GTEST_PROP(OnesSum, IsRfc1071sAtAnyLengthAndAlignment, (const std::vector<std::uint8_t>& random)) {
  const Bytes bytes = as_bytes(random);
  for (std::size_t skip = 0; skip <= std::min<std::size_t>(bytes.size(), 8); ++skip) {
    const auto part = std::span(bytes).subspan(skip);
    const std::unique_ptr<std::byte[]> exact(new std::byte[part.size()]);
    std::copy(part.begin(), part.end(), exact.get());
    RC_ASSERT(fold(ones_sum({exact.get(), part.size()}, 0)) == plain_sum(part));
  }
}
RC_GTEST_PROP(OnesSum, GoesOnFromAnEvenCut, (const std::vector<std::uint8_t>& random)) {
  const Bytes bytes = as_bytes(random);
  const std::size_t cut = *rc::gen::inRange<std::size_t>(0, bytes.size() / 2 + 1) * 2;
  const std::uint32_t first = ones_sum(std::span(bytes).first(cut), 0);
  RC_ASSERT(fold(ones_sum(std::span(bytes).subspan(cut), first)) == plain_sum(bytes));
}
TEST(OnesSum, LongRunsOfOnesDoNotOverflow) {
  const Bytes ones(300'001, std::byte{0xff});
  EXPECT_EQ(fold(ones_sum(ones, 0)), plain_sum(ones));
  EXPECT_EQ(fold(ones_sum({}, 0x12345)), fold(0x12345));
}

}  // namespace
}  // namespace hush::net
