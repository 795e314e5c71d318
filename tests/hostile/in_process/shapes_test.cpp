// H1, H4, H13 to H15, H41: guest_tx slots of every shape, against a reference that is not ours.
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <thread>

#include "dom0/vif/steering.hpp"
#include "tests/support/back_rig.hpp"
#include "tests/support/frames.hpp"

namespace hush::test {
namespace {

using netif::TxRequest;
constexpr auto kMore = netif::tx_flag::kMoreData;

// The frame `bytes` from page `data`, cut into slots of these lengths.
std::vector<TxRequest> cut(BackRig& rig, const Bytes& bytes, const std::vector<std::size_t>& lengths) {
  std::memcpy(rig.xen.page(rig.data).bytes, bytes.data(), bytes.size());
  std::vector<TxRequest> slots;
  std::size_t at = 0;
  for (const std::size_t length : lengths) {
    slots.push_back({rig.data, static_cast<std::uint16_t>(at), kMore,
                     static_cast<std::uint16_t>(slots.size()), static_cast<std::uint16_t>(length)});
    at += length;
  }
  slots.back().flags = 0;
  slots.front().size = static_cast<std::uint16_t>(bytes.size());
  return slots;
}
// What must become of it: netback's rules for a chain that adds up (first slot, number of slots).
bool accepted(const std::vector<std::size_t>& lengths) {
  return lengths.front() >= 14 && lengths.size() <= 19;
}

void expect_split(BackRig& rig, const Bytes& bytes, const std::vector<std::size_t>& lengths) {
  rig.send(cut(rig, bytes, lengths));
  ASSERT_TRUE(rig.run_tx());
  const auto answers = rig.tx_answers();
  ASSERT_EQ(answers.size(), lengths.size());
  const bool fine = accepted(lengths);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].id, i);
    EXPECT_EQ(answers[i].status, fine ? netif::status::kOkay : netif::status::kError);
  }
  const auto frame = rig.tap.take();
  ASSERT_EQ(frame.has_value(), fine) << lengths.size() << " slots, first " << lengths.front();
  EXPECT_TRUE(!fine || *frame == bytes);
}

// H13: random splits of small packets into 1 to 21 slots, one-byte and empty slots among them.
TEST(Splits, ArriveAsTheyWereOrNotAtAll) {
  BackRig rig;
  std::minstd_rand random(1);
  for (int round = 0; round < 5000 && !HasFailure(); ++round) {
    const Bytes bytes = pattern(14 + random() % 115, static_cast<unsigned>(round));
    std::vector<std::size_t> lengths(1 + random() % 21);
    std::size_t left = bytes.size();
    // The first slot gets an Ethernet header most of the time.
    if (random() % 4 != 0) left -= (lengths[0] = 14);
    while (left > 0) {
      const std::size_t share = std::min<std::size_t>(left, 1 + random() % 8);
      lengths[random() % lengths.size()] += share;
      left -= share;
    }
    expect_split(rig, bytes, lengths);
  }
}
// The same, every one of them: a packet of 20 bytes in two and three slots.
TEST(Splits, AllOfThemInTwoAndThreeSlots) {
  BackRig rig;
  const Bytes bytes = pattern(20);
  for (std::size_t a = 0; a <= bytes.size(); ++a) {
    expect_split(rig, bytes, {a, bytes.size() - a});
    for (std::size_t b = 0; a + b <= bytes.size(); ++b)
      expect_split(rig, bytes, {a, b, bytes.size() - a - b});
  }
}
// H14: an empty slot at each position of the longest packet.
TEST(Splits, AnEmptySlotAtEachPosition) {
  BackRig rig;
  for (std::size_t empty = 0; empty < 19; ++empty) {
    std::vector<std::size_t> lengths(19, 20);
    lengths[empty] = 0;
    expect_split(rig, pattern(360), lengths);
  }
  std::vector<std::size_t> tail(19, 0);
  tail[0] = 60;
  expect_split(rig, pattern(60), tail);
}

// H15 is the table of tests/unit/assemble_test.cpp; here only that the verdict becomes a fault or an answer.
struct Bound {
  std::size_t slots;
  bool lives;
};
class Slots : public ::testing::TestWithParam<Bound> {};
TEST_P(Slots, AtTheLimits) {
  BackRig rig;
  rig.send(cut(rig, pattern(GetParam().slots * 20), std::vector<std::size_t>(GetParam().slots, 20)));
  EXPECT_EQ(rig.run_tx(), GetParam().lives);
}
INSTANTIATE_TEST_SUITE_P(Limits, Slots,
                         ::testing::Values(Bound{18, true}, Bound{19, true}, Bound{20, true}, Bound{21, true},
                                           Bound{22, false}, Bound{23, false}));

// H4: what the back end writes into a ring page is indexes and whole answers; no byte more, nothing of ours.
TEST(Padding, OnlyAnswersAreWritten) {
  BackRig rig;
  rig.memory.requests.fill(TxRequest{0xa5a5a5a5, 0xa5a5, 0xa5a5, 0xa5a5, 0xa5a5});
  for (auto& at : rig.tx_page().slot) at.put(TxRequest{0x11111111, 0x2222, 0, 0x3333, 0x4444});
  TxRequest extra{};
  const netif::ExtraInfo info{netif::extra::kHash, 0, {1, 2, 3, 4, 5, 6}};
  std::memcpy(&extra, &info, sizeof info);
  rig.send({{rig.data, 0, 0, 1, 60},
            {0xffffff, 0, 0, 2, 60},
            {rig.data, 0, netif::tx_flag::kExtraInfo, 3, 60},
            extra});
  GuestPage before;
  std::memcpy(before.bytes, rig.tx_bytes().bytes, kPageSize);
  ASSERT_TRUE(rig.run_tx());
  constexpr std::size_t kSlotsAt = 64, kAnswer = sizeof(netif::TxResponse);
  for (std::size_t i = 0; i < kPageSize; ++i) {
    const bool ours = (i >= 4 && i < 12) ||  // req_event, rsp_prod
                      (i >= kSlotsAt && i < kSlotsAt + 4 * sizeof(TxRequest) &&
                       (i - kSlotsAt) % sizeof(TxRequest) < kAnswer);
    EXPECT_TRUE(ours || rig.tx_bytes().bytes[i] == before.bytes[i]) << "at byte " << i;
  }
  const auto answers = rig.tx_answers();
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[3].status, netif::status::kNull);
  EXPECT_EQ(answers[3].id, 0);
}

// H1: a guest flips every field of every slot while the back end reads. Whatever it takes it takes once, and
// what it gives to the hypervisor was checked: no segment leaves its page.
TEST(DoubleFetch, FieldsFlipWhileTheyAreRead) {
  constexpr std::uint64_t kRequests = 100000;
  std::uint64_t taken = 0;
  std::uint64_t lives = 0;
  while (taken < kRequests) {
    BackRig rig;
    std::jthread mover([&](const std::stop_token& stop) {
      std::minstd_rand random(static_cast<unsigned>(lives + 1));
      while (!stop.stop_requested())
        for (auto& at : rig.tx_page().slot)
          at.put(TxRequest{random() % 2 ? rig.data : static_cast<std::uint32_t>(random()),
                           static_cast<std::uint16_t>(random() % (random() % 256 == 0 ? 65536 : 3400)),
                           static_cast<std::uint16_t>(random() % 64 == 0 ? kMore : 0),
                           static_cast<std::uint16_t>(random()), static_cast<std::uint16_t>(random() % 600)});
    });
    std::uint32_t produced = 0;
    bool alive = true;
    while (alive && taken < kRequests) {
      rig.tx_page().req_prod.store(produced += 64, std::memory_order_seq_cst);
      alive = rig.run_tx();
      taken += 64;
      while (rig.tap.take()) {
      }
    }
    mover.request_stop();
    mover.join();
    EXPECT_EQ(rig.xen.bad_segments(), 0U);
    ++lives;
  }
  EXPECT_GT(lives, 0U);
}

// H41: what the guest writes into a slot after its answer changes nothing.
TEST(Scribbles, AfterTheAnswerChangeNothing) {
  BackRig rig;
  for (std::uint16_t round = 0; round < 300; ++round) {
    expect_split(rig, pattern(60, round), {20, 20, 20});
    for (auto& at : rig.tx_page().slot) at.put(TxRequest{0xffffff, 0xffff, 0xffff, 0xffff, 0xffff});
  }
}

// A packet that says it is TCP, or has a checksum to be filled in, and is neither: dropped, not sent as it
// is.
TEST(Offload, WhatIsNotThereIsNotSent) {
  BackRig rig;
  std::memset(rig.xen.page(rig.data).bytes, 0, kPageSize);
  rig.send({{rig.data, 0, netif::tx_flag::kCsumBlank, 1, 60}});
  ASSERT_TRUE(rig.run_tx());
  EXPECT_EQ(rig.tx_answers().at(0).status, netif::status::kError);
  EXPECT_FALSE(rig.tap.take());
}

// What a stock front end does not find by itself is not left to it: Linux refuses a blank checksum behind a
// VLAN tag.
TEST(Offload, NothingIsLeftBlankBehindATag) {
  for (const unsigned tags : {0U, 1U, 2U}) {
    BackRig rig;
    const Frame frame = make_frame({.vlan_tags = std::vector<std::uint16_t>(tags, 0x8100)});
    Bytes blank = frame.bytes;
    net::VnetHeader header{};
    header.flags = net::vnet::kNeedsCsum;
    header.csum_start = static_cast<std::uint16_t>(frame.at.transport);
    header.csum_offset = 16;
    const auto transport = net::find_transport(blank);
    ASSERT_TRUE(transport);
    net::set_pseudo_checksum(blank, *transport, blank.size() - transport->start);
    rig.post({{1, 0, rig.data}});
    ASSERT_TRUE(rig.tap.give(blank, header));
    ASSERT_TRUE(rig.run_rx());
    const auto answers = rig.rx_answers();
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ((answers[0].flags & netif::rx_flag::kCsumBlank) != 0, tags == 0) << tags << " tags";
    const std::byte* got = rig.xen.page(rig.data).bytes;
    const Bytes& want = tags == 0 ? blank : frame.bytes;
    EXPECT_TRUE(std::equal(want.begin(), want.end(), got)) << tags << " tags";
  }
}
TEST(Offload, ATaggedSegmentationIsDropped) {
  BackRig rig;
  const Frame frame = make_frame({.vlan_tags = {0x8100}, .payload = std::vector<std::uint8_t>(3000, 7)});
  net::VnetHeader header{};
  header.flags = net::vnet::kNeedsCsum;
  header.gso_type = net::vnet::kGsoTcpV4;
  header.gso_size = 1448;
  header.csum_start = static_cast<std::uint16_t>(frame.at.transport);
  header.csum_offset = 16;
  rig.post({{1, 0, rig.data}, {2, 0, rig.data}});
  ASSERT_TRUE(rig.tap.give(frame.bytes, header));
  ASSERT_TRUE(rig.run_rx());
  EXPECT_TRUE(rig.rx_answers().empty());
  EXPECT_EQ(rig.counters.rx_drops[static_cast<std::size_t>(dom0::RxDrop::tagged_segment)].get(), 1U);
}

// An interface that an admin deletes ends the vif, with its reason: a descriptor that is always ready must
// not be polled.
TEST(Tap, ThatIsGoneIsAFault) {
  BackRig rig;
  rig.post({{1, 0, rig.data}});
  close(rig.tap.fd());
  EXPECT_FALSE(rig.run_rx());
  EXPECT_EQ(rig.rx.fault(), dom0::kTapIsGone);
}

// Also where its frames go to the queues that the guest's own hash names.
TEST(Tap, ThatIsGoneIsAFaultOfSteering) {
  BackRig rig;
  dom0::Steering steering(1, rig.memory);
  EXPECT_EQ(steering.spread(rig.tap.fd()), dom0::Pass::idle) << "an empty one is none";
  close(rig.tap.fd());
  EXPECT_EQ(steering.spread(rig.tap.fd()), dom0::Pass::fault);
}

}  // namespace
}  // namespace hush::test
