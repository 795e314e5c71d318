// Toeplitz hashing, which bytes of a frame it takes, and what a guest may ask for over its control ring. The
// hash is checked against Microsoft's published vectors and against the implementation in Xen's own header.
#define XEN_NETIF_DEFINE_TOEPLITZ
#include "common/netif/hash_state.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "dom0/vif/packet_hash.hpp"
#include "tests/support/rss_vectors.hpp"
#include "tests/support/xen_ring.hpp"

namespace hush::netif {
namespace {

constexpr std::uint32_t kQueues = 4;
constexpr std::uint8_t kTcp = 6, kUdp = 17;

TEST(Toeplitz, PublishedVectors) {
  Toeplitz toeplitz;
  toeplitz.set_key(test::rss_key());
  for (const auto& v : test::kRssVectors) {
    EXPECT_EQ(toeplitz(test::rss_input(v, false)), v.of_addresses) << v.source;
    EXPECT_EQ(toeplitz(test::rss_input(v, true)), v.of_ports) << v.source;
  }
}

TEST(Toeplitz, WithoutAKeyEveryHashIsZero) {
  Toeplitz toeplitz;
  EXPECT_EQ(toeplitz(test::rss_input(test::kRssVectors[0], true)), 0U);
  toeplitz.set_key(test::rss_key());
  toeplitz.set_key({});
  EXPECT_EQ(toeplitz(test::rss_input(test::kRssVectors[0], true)), 0U);
}

RC_GTEST_PROP(Toeplitz, IsThatOfXensHeader, ()) {
  auto key = *rc::gen::container<std::vector<std::uint8_t>>(*rc::gen::inRange<std::size_t>(0, 41),
                                                            rc::gen::arbitrary<std::uint8_t>());
  const auto input = *rc::gen::container<std::vector<std::uint8_t>>(*rc::gen::inRange<std::size_t>(0, 37),
                                                                    rc::gen::arbitrary<std::uint8_t>());
  Toeplitz toeplitz;
  toeplitz.set_key(std::as_bytes(std::span(key)));
  key.resize(Toeplitz::kMaxKey);  // what is missing counts as zero
  RC_ASSERT(toeplitz(std::as_bytes(std::span(input))) ==
            xen_netif_toeplitz_hash(key.data(), 40, input.data(), static_cast<unsigned>(input.size())));
}

// A guest: sends requests, gives the bytes that the state asks for.
class HashStateTest : public testing::Test {
 protected:
  CtrlResponse ask(std::uint16_t type, std::uint32_t a = 0, std::uint32_t b = 0, std::uint32_t c = 0,
                   std::span<const std::byte> page = {}) {
    const CtrlRequest request{77, type, {a, b, c}};
    wanted_ = state_.wants(request);
    const auto response = state_.handle(request, page.first(std::min(page.size(), wanted_.bytes)));
    EXPECT_EQ(response.id, 77);
    EXPECT_EQ(response.type, type);
    return response;
  }
  std::uint32_t map(std::vector<std::uint32_t> entries, std::uint32_t length, std::uint32_t offset) {
    return ask(ctrl::kSetHashMapping, 9, length, offset, std::as_bytes(std::span(entries))).status;
  }
  void hash_all() {
    EXPECT_EQ(ask(ctrl::kSetHashAlgorithm, hash_algorithm::kToeplitz).status, ctrl_status::kSuccess);
    EXPECT_EQ(ask(ctrl::kSetHashFlags, hash_type::kAll).status, ctrl_status::kSuccess);
    EXPECT_EQ(ask(ctrl::kSetHashKey, 9, 40, 0, test::rss_key()).status, ctrl_status::kSuccess);
  }

  HashState state_{kQueues};
  CtrlBytes wanted_;
};

TEST_F(HashStateTest, IsOffAtFirstAndNeedsAlgorithmAndFlags) {
  EXPECT_FALSE(state_.on());
  EXPECT_EQ(ask(ctrl::kGetHashFlags).status, ctrl_status::kNotSupported);
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 1).status, ctrl_status::kInvalidParameter);
  EXPECT_EQ(ask(ctrl::kSetHashAlgorithm, hash_algorithm::kToeplitz).status, ctrl_status::kSuccess);
  EXPECT_FALSE(state_.on());
  const auto flags = ask(ctrl::kGetHashFlags);
  EXPECT_EQ(flags.status, ctrl_status::kSuccess);
  EXPECT_EQ(flags.data, hash_type::kAll);
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 1U << hash_type::kIpv6).status, ctrl_status::kSuccess);
  EXPECT_TRUE(state_.on());
  EXPECT_TRUE(state_.hashes(hash_type::kIpv6));
  EXPECT_FALSE(state_.hashes(hash_type::kIpv4));
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 0).status, ctrl_status::kSuccess);
  EXPECT_FALSE(state_.on());
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 1).status, ctrl_status::kSuccess);
  EXPECT_EQ(ask(ctrl::kSetHashAlgorithm, hash_algorithm::kNone).status, ctrl_status::kSuccess);
  EXPECT_FALSE(state_.on());
}

TEST_F(HashStateTest, WhatIsNotKnownIsRefused) {
  EXPECT_EQ(ask(ctrl::kSetHashAlgorithm, 2).status, ctrl_status::kInvalidParameter);
  EXPECT_EQ(ask(ctrl::kSetHashAlgorithm, hash_algorithm::kToeplitz).status, ctrl_status::kSuccess);
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 0x10).status, ctrl_status::kInvalidParameter);
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 0x80000001).status, ctrl_status::kInvalidParameter);
  for (const std::uint16_t type : {ctrl::kGetGrefMappingSize, ctrl::kAddGrefMapping, ctrl::kDelGrefMapping,
                                   std::uint16_t{0}, std::uint16_t{11}, std::uint16_t{0xffff}}) {
    EXPECT_EQ(ask(type, 1, 2, 3).status, ctrl_status::kNotSupported) << type;
    EXPECT_EQ(wanted_, CtrlBytes{}) << type;
  }
}

TEST_F(HashStateTest, KeyLimits) {
  hash_all();
  const auto input = test::rss_input(test::kRssVectors[0], true);
  EXPECT_EQ(wanted_, (CtrlBytes{9, 40}));
  EXPECT_EQ(state_.hash(input), test::kRssVectors[0].of_ports);
  for (const std::uint32_t length : {41U, 4096U, 4097U, 0xffffffffU}) {
    EXPECT_EQ(ask(ctrl::kSetHashKey, 9, length).status, ctrl_status::kInvalidParameter) << length;
    EXPECT_EQ(wanted_, CtrlBytes{}) << length;
  }
  EXPECT_EQ(state_.handle({1, ctrl::kSetHashKey, {9, 40, 0}}, std::nullopt).status,
            ctrl_status::kInvalidParameter);
  EXPECT_EQ(state_.hash(input), test::kRssVectors[0].of_ports) << "a refused key leaves the old one";
  EXPECT_EQ(ask(ctrl::kSetHashKey, 9, 0).status, ctrl_status::kSuccess);
  EXPECT_EQ(state_.hash(input), 0U);
}

TEST_F(HashStateTest, WithoutAMappingTheHashIsTakenModulo) {
  for (std::uint32_t hash : {0U, 1U, 5U, 0xffffffffU}) EXPECT_EQ(state_.queue_of(hash), hash % kQueues);
}

TEST_F(HashStateTest, MappingNamesTheQueue) {
  const auto most = ask(ctrl::kGetHashMappingSize);
  EXPECT_EQ(most.status, ctrl_status::kSuccess);
  EXPECT_EQ(most.data, kMaxHashMapping);
  EXPECT_EQ(ask(ctrl::kSetHashMappingSize, 129).status, ctrl_status::kInvalidParameter);
  EXPECT_EQ(ask(ctrl::kSetHashMappingSize, 0xffffffff).status, ctrl_status::kInvalidParameter);
  EXPECT_EQ(ask(ctrl::kSetHashMappingSize, 3).status, ctrl_status::kSuccess);
  EXPECT_EQ(map({3, 2, 1}, 3, 0), ctrl_status::kSuccess);
  EXPECT_EQ(map({0}, 1, 2), ctrl_status::kSuccess) << "a part of it leaves the rest";
  EXPECT_EQ(wanted_, (CtrlBytes{9, 4}));
  EXPECT_EQ(state_.queue_of(0), 3U);
  EXPECT_EQ(state_.queue_of(4), 2U);
  EXPECT_EQ(state_.queue_of(5), 0U);
  EXPECT_EQ(ask(ctrl::kSetHashMappingSize, 3).status, ctrl_status::kSuccess);
  EXPECT_EQ(state_.queue_of(0), 0U) << "a new size begins with zeros";
}

// XSA-270 (CVE-2018-15471): offset + length wrapped, and the content was checked before it was copied.
TEST_F(HashStateTest, MappingLimits) {
  EXPECT_EQ(map({}, 0, 0), ctrl_status::kSuccess) << "nothing, into nothing";
  EXPECT_EQ(map({1}, 1, 0), ctrl_status::kInvalidParameter) << "there is no table yet";
  EXPECT_EQ(ask(ctrl::kSetHashMappingSize, kMaxHashMapping).status, ctrl_status::kSuccess);
  std::vector<std::uint32_t> page(1024, 1);
  for (const auto& [length, offset] :
       std::vector<std::pair<std::uint32_t, std::uint32_t>>{{129, 0},
                                                            {1, 128},
                                                            {128, 1},
                                                            {1, 0xffffffff},
                                                            {0xffffffff, 1},
                                                            {0x80000000, 0x80000000},
                                                            {0x40000001, 0},
                                                            {1024, 0},
                                                            {1025, 0},
                                                            {2, 0xfffffffe}}) {
    EXPECT_EQ(map(page, length, offset), ctrl_status::kInvalidParameter) << length << " at " << offset;
    EXPECT_EQ(wanted_, CtrlBytes{}) << length << " at " << offset;
  }
  EXPECT_EQ(map(page, 128, 0), ctrl_status::kSuccess);
  EXPECT_EQ(map({3, kQueues}, 2, 0), ctrl_status::kInvalidParameter);
  EXPECT_EQ(map({0xffffffff}, 1, 127), ctrl_status::kInvalidParameter);
  EXPECT_EQ(state_.handle({1, ctrl::kSetHashMapping, {9, 1, 0}}, std::nullopt).status,
            ctrl_status::kInvalidParameter);
  for (std::uint32_t i = 0; i < 128; ++i)
    EXPECT_EQ(state_.queue_of(i), 1U) << "nothing refused has an effect";
}

// Whatever is asked, in whatever order: no queue is named that there is not, no page is read beyond its end.
RC_GTEST_PROP(HashState, NoRequestLeadsOutside, ()) {
  HashState state{kQueues};
  const auto number =
      rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 140), rc::gen::arbitrary<std::uint32_t>());
  for (int i = 0; i < 40; ++i) {
    CtrlRequest request{1, *rc::gen::inRange<std::uint16_t>(0, 12), {*number, *number, *number}};
    const auto wanted = state.wants(request);
    RC_ASSERT(wanted.bytes <= kPageSize);
    const auto entries = *rc::gen::container<std::vector<std::uint32_t>>(
        (wanted.bytes + 3) / 4, rc::gen::inRange<std::uint32_t>(0, kQueues + (i % 8 == 0 ? 1 : 0)));
    (void)state.handle(request, std::as_bytes(std::span(entries)).first(wanted.bytes));
    RC_ASSERT(state.queue_of(*number) < kQueues);
  }
}

TEST_F(HashStateTest, FramesAreHashedAsTheirMostSpecificType) {
  hash_all();
  for (const auto& v : test::kRssVectors) {
    const auto tcp = dom0::hash_packet(state_, test::rss_frame(v, kTcp));
    ASSERT_TRUE(tcp) << v.source;
    EXPECT_EQ(tcp->value, v.of_ports) << v.source;
    EXPECT_EQ(tcp->type, v.ipv6() ? hash_type::kIpv6Tcp : hash_type::kIpv4Tcp);
    const auto udp = dom0::hash_packet(state_, test::rss_frame(v, kUdp));
    ASSERT_TRUE(udp) << v.source;
    EXPECT_EQ(udp->value, v.of_addresses) << v.source;
    EXPECT_EQ(udp->type, v.ipv6() ? hash_type::kIpv6 : hash_type::kIpv4);
  }
}

TEST_F(HashStateTest, OnlyTypesThatAreEnabledAreHashed) {
  hash_all();
  const auto& v4 = test::kRssVectors[0];
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 1U << hash_type::kIpv4).status, ctrl_status::kSuccess);
  EXPECT_EQ(dom0::hash_packet(state_, test::rss_frame(v4, kTcp))->value, v4.of_addresses);
  EXPECT_FALSE(dom0::hash_packet(state_, test::rss_frame(test::kRssVectors[5], kTcp)));
  EXPECT_EQ(ask(ctrl::kSetHashFlags, 1U << hash_type::kIpv4Tcp).status, ctrl_status::kSuccess);
  EXPECT_FALSE(dom0::hash_packet(state_, test::rss_frame(v4, kUdp)));
}

// The ports of a fragment are in the first one only: all fragments must go one way.
TEST_F(HashStateTest, FragmentsAreHashedByTheirAddresses) {
  hash_all();
  auto frame = test::rss_frame(test::kRssVectors[0], kTcp);
  frame[14 + 6] = std::byte{0x20};  // more fragments
  EXPECT_EQ(dom0::hash_packet(state_, frame)->value, test::kRssVectors[0].of_addresses);
}

TEST_F(HashStateTest, FramesBehindATagAreHashedToo) {
  hash_all();
  auto frame = test::rss_frame(test::kRssVectors[5], kTcp);
  const std::byte tag[] = {std::byte{0x81}, std::byte{0}, std::byte{0}, std::byte{7}};
  frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
  EXPECT_EQ(dom0::hash_packet(state_, frame)->value, test::kRssVectors[5].of_ports);
}

TEST_F(HashStateTest, ACutFrameIsNotReadBeyondItsEnd) {
  hash_all();
  for (const auto& v : test::kRssVectors) {
    const auto frame = test::rss_frame(v, kTcp);
    for (std::size_t length = 0; length < frame.size(); ++length) {
      const std::vector<std::byte> cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length));
      const auto hash = dom0::hash_packet(state_, cut);
      const std::size_t addresses_end = v.ipv6() ? 54 : 34;
      EXPECT_EQ(hash.has_value(), length >= addresses_end) << length;
      EXPECT_EQ(hash ? hash->value : v.of_addresses, v.of_addresses) << length;
    }
  }
}

}  // namespace
}  // namespace hush::netif
