// What is used of what the two ends of a vif can do.
#include <gtest/gtest.h>

#include <set>

#include "domu/vif/agreement.hpp"
#include "domu/vif/fault.hpp"

namespace hush::domu {
namespace {

TEST(Agreement, EverythingFromABackEndThatTakesEverything) {
  xenstore::Features f;
  f.sg = f.gso_tcpv4 = f.gso_tcpv6 = f.ipv6_csum = true;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{.checksum = true, .tso4 = true, .tso6 = true}));
  EXPECT_EQ(tap_mtu(f, 9000), 9000U);
  EXPECT_EQ(tap_mtu(f, std::nullopt), std::nullopt);
}

TEST(Agreement, NoChecksumIsLeftUndoneForABackEndThatTakesThemForIpv4Alone) {
  xenstore::Features f;
  f.sg = f.gso_tcpv4 = true;
  EXPECT_EQ(tap_offloads(f), net::Offloads{});
}

TEST(Agreement, FramesFitASlotForABackEndWithoutScatterGather) {
  xenstore::Features f;
  f.ipv6_csum = f.gso_tcpv4 = true;
  EXPECT_EQ(tap_offloads(f), net::Offloads{.checksum = true});
  EXPECT_EQ(tap_mtu(f, 9000), 1500U);
  EXPECT_EQ(tap_mtu(f, 1400), 1400U);
  EXPECT_EQ(tap_mtu(f, std::nullopt), 1500U);
}

TEST(Agreement, AsManyQueuesAsBothTake) {
  for (std::uint32_t wanted = 1; wanted <= xenstore::kMaxQueues; ++wanted)
    for (std::uint32_t offered = 1; offered <= xenstore::kMaxQueues; ++offered) {
      const QueueCount count = queues_to_make(wanted, offered);
      EXPECT_EQ(count.queues, std::min(wanted, offered));
      EXPECT_EQ(count.why_fewer.empty(), offered >= wanted);
    }
}

TEST(Agreement, OneQueueForABackEndThatSaysNonsenseOfThem) {
  EXPECT_EQ(queues_to_make(4, std::nullopt).queues, 1U);
  EXPECT_NE(queues_to_make(4, std::nullopt).why_fewer, "");
  EXPECT_EQ(queues_to_make(1, std::nullopt).queues, 1U);
  EXPECT_EQ(queues_to_make(1, std::nullopt).why_fewer, "") << "it has what it wants";
}

TEST(Agreement, AreasGetShorterAsFarAsOffloadsHaveRoom) {
  constexpr std::uint32_t kLeast = area::kMinRingOfOffloads;
  EXPECT_EQ(smaller_areas({8 * kLeast, kLeast}), (area::Sizes{4 * kLeast, kLeast}));
  EXPECT_EQ(smaller_areas({kLeast, 2 * kLeast}), (area::Sizes{kLeast, kLeast}));
  EXPECT_EQ(smaller_areas({kLeast, kLeast}), std::nullopt);
}

TEST(Fault, EachHasAName) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kFaults; ++i) names.insert(name(static_cast<Fault>(i)));
  EXPECT_EQ(names.size(), kFaults);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace hush::domu
