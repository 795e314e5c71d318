// The small pure parts of hush-backd: who gets a multicast, what waits for a queue, how many queues are
// offered, and when a reconfiguring front end is answered.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "dom0/vif/backend_fsm.hpp"
#include "dom0/vif/frame_backlog.hpp"
#include "dom0/vif/grant_budget.hpp"
#include "dom0/vif/multicast_filter.hpp"
#include "dom0/vif/vif.hpp"

namespace hush::dom0 {
namespace {

using Address = MulticastFilter::Address;
constexpr Address kGroup{0x01, 0x00, 0x5e, 0, 0, 5}, kOther{0x01, 0x00, 0x5e, 0, 0, 6};

std::array<std::byte, 60> to(const Address& address) {
  std::array<std::byte, 60> frame{};
  std::transform(address.begin(), address.end(), frame.begin(), [](auto b) { return std::byte{b}; });
  return frame;
}

TEST(MulticastFilter, LetsAllThroughUntilItIsApplied) {
  MulticastFilter filter;
  EXPECT_FALSE(filter.blocks(to(kGroup)));
  ASSERT_TRUE(filter.add(kGroup));
  EXPECT_FALSE(filter.blocks(to(kOther))) << "the list may be filled before";
  filter.apply(true);
  EXPECT_FALSE(filter.blocks(to(kGroup)));
  EXPECT_TRUE(filter.blocks(to(kOther)));
  filter.remove(kOther);
  filter.remove(kGroup);
  EXPECT_TRUE(filter.blocks(to(kGroup)));
  filter.apply(false);
  EXPECT_FALSE(filter.blocks(to(kGroup)));
}

TEST(MulticastFilter, UnicastAndBroadcastAlwaysPass) {
  MulticastFilter filter;
  filter.apply(true);
  EXPECT_FALSE(filter.blocks(to({0x00, 0x16, 0x3e, 0, 0, 1})));
  EXPECT_FALSE(filter.blocks(to({0xff, 0xff, 0xff, 0xff, 0xff, 0xff})));
  EXPECT_TRUE(filter.blocks(to({0xff, 0xff, 0xff, 0xff, 0xff, 0xfe})));
  EXPECT_FALSE(filter.blocks({})) << "no frame at all";
}

TEST(MulticastFilter, HoldsSixtyFour) {
  MulticastFilter filter;
  filter.apply(true);
  for (std::uint8_t i = 0; i < 64; ++i) EXPECT_TRUE(filter.add({1, 0, 0x5e, 0, 1, i}));
  EXPECT_FALSE(filter.add(kGroup));
  EXPECT_TRUE(filter.blocks(to(kGroup)));
  filter.remove({1, 0, 0x5e, 0, 1, 33});
  EXPECT_TRUE(filter.add(kGroup));
  EXPECT_FALSE(filter.blocks(to(kGroup)));
  filter.clear();
  EXPECT_TRUE(filter.blocks(to(kGroup)));
}

TEST(MulticastFilter, TwiceAddedIsTwiceListed) {
  MulticastFilter filter;
  filter.apply(true);
  EXPECT_TRUE(filter.add(kGroup));
  EXPECT_TRUE(filter.add(kGroup));
  filter.remove(kGroup);
  EXPECT_FALSE(filter.blocks(to(kGroup)));
  filter.remove(kGroup);
  EXPECT_TRUE(filter.blocks(to(kGroup)));
}

// Against a queue of frames: first in, first out, unchanged, and no more than fits.
RC_GTEST_PROP(FrameBacklog, IsABoundedQueue, ()) {
  constexpr std::size_t kBytes = 1000;
  FrameBacklog backlog(kBytes);
  std::deque<std::vector<std::byte>> model;
  std::size_t used = 0;
  for (int i = 0; i < 200; ++i) {
    if (*rc::gen::inRange(0, 3) > 0) {
      const auto length = *rc::gen::inRange<std::size_t>(0, 300);
      const std::vector<std::byte> bytes(length, static_cast<std::byte>(i));
      WaitingFrame frame{};
      frame.length = static_cast<std::uint32_t>(length);
      const bool fits = used + sizeof(WaitingFrame) + length <= kBytes;
      RC_ASSERT(backlog.push(frame, bytes) == fits);
      if (!fits) continue;
      model.push_back(bytes);
      used += sizeof(WaitingFrame) + length;
    } else if (!model.empty()) {
      std::vector<std::byte> room(300);
      const WaitingFrame frame = backlog.pop(room);
      room.resize(frame.length);
      RC_ASSERT(room == model.front());
      used -= sizeof(WaitingFrame) + room.size();
      model.pop_front();
    }
    RC_ASSERT(backlog.empty() == model.empty());
  }
}

TEST(GrantBudget, BoundsTheQueuesOfAGuest) {
  EXPECT_EQ(kGrantsOfQueue, 514U) << "what Linux's netfront takes for a queue";
  EXPECT_EQ(queues_to_offer(8, 0, 16384), 8U);
  EXPECT_EQ(queues_to_offer(8, 24, 16384), 7U) << "31 queues are 15934 grants";
  EXPECT_EQ(queues_to_offer(8, 31, 16384), 1U) << "never none";
  EXPECT_EQ(queues_to_offer(8, 4000000000U, 16384), 1U);
  EXPECT_EQ(queues_to_offer(4, 0, 16384), 4U) << "no more than wanted";
  EXPECT_EQ(queues_to_offer(8, 0, 513), 1U);
  EXPECT_EQ(queues_to_offer(8, 0, 2 * 514), 2U);
  EXPECT_EQ(queues_to_offer(8, 1000, 0), 8U) << "no budget";
}

TEST(GrantBudget, CountsTheOtherVifsOfTheSameGuest) {
  QueueLedger ledger;
  const xenstore::VifId mine{DomId{7}, 2};
  EXPECT_EQ(ledger.others(mine), 0U);
  ledger.count({DomId{6}, 9}, 1);
  ledger.count({DomId{7}, 0}, 8);
  ledger.count(mine, 8);
  ledger.count({DomId{7}, 65535}, 4);
  ledger.count({DomId{8}, 0}, 2);
  EXPECT_EQ(ledger.others(mine), 12U);
  ledger.count({DomId{7}, 0}, 1);  // connected with fewer than it was offered
  EXPECT_EQ(ledger.others(mine), 5U);
  ledger.forget({DomId{7}, 65535});
  EXPECT_EQ(ledger.others(mine), 1U);
}

// The kernel does before we read a frame what the front end cannot: as far as a TAP can say so.
TEST(TapOffloads, AreWhatTheFrontEndTakes) {
  xenstore::Features f;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{true, false, false}))
      << "IPv4 checksums unless it says otherwise";
  f.ipv4_csum = false;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{false, false, false}));
  f.gso_tcpv4 = f.gso_tcpv6 = true;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{false, false, false})) << "a segment has no checksum";
  f.ipv6_csum = true;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{true, false, true}));
  f.ipv4_csum = true;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{true, true, true}));
  f.ipv6_csum = false;
  EXPECT_EQ(tap_offloads(f), (net::Offloads{true, true, false}));
}

// Linux's netfront waits for 8 without a limit, and then says 4 again.
TEST(BackendFsm, AReconfiguringFrontEndIsAnsweredAndServedOn) {
  using enum XenbusState;
  EXPECT_EQ(step(connected, reconfiguring, true), (Step{Action::none, reconfigured}));
  EXPECT_EQ(step(reconfigured, reconfiguring, true), (Step{Action::none, reconfigured}));
  EXPECT_EQ(step(reconfigured, connected, true), (Step{Action::none, connected}));
  for (const auto leaving : {initialising, closing, closed, unknown})
    EXPECT_EQ(step(reconfigured, leaving, true), (Step{Action::disconnect, closing}));
  for (const auto unserved : {initialising, init_wait, closing, closed})
    EXPECT_EQ(step(unserved, reconfiguring, true), (Step{Action::none, unserved}));
}

}  // namespace
}  // namespace hush::dom0
