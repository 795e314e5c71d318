// H5, H9, H10, H21, H35: grants that fail at every position, and a guest that takes nothing.
#include <gtest/gtest.h>

#include "dom0/vif/queue.hpp"
#include "tests/support/back_rig.hpp"

namespace hush::test {
namespace {

constexpr auto kMore = netif::tx_flag::kMoreData;
constexpr std::size_t kPackets = 20, kSlotsEach = 3, kSegments = kPackets * kSlotsEach;

std::vector<netif::TxRequest> packets_of_three(const BackRig& rig) {
  std::vector<netif::TxRequest> all;
  for (std::uint16_t i = 0; i < kPackets; ++i)
    for (std::uint16_t k = 0; k < kSlotsEach; ++k)
      all.push_back({rig.data, static_cast<std::uint16_t>(i), k + 1U < kSlotsEach ? kMore : std::uint16_t{0},
                     i, static_cast<std::uint16_t>(k == 0 ? 60 : 20)});
  return all;
}

// H21: each position of a copy batch fails once. That packet is refused whole and nothing of it is sent; the
// others go.
TEST(TxCopies, EachPositionFails) {
  for (std::size_t position = 0; position < kSegments; ++position) {
    BackRig rig;
    rig.xen.fail_call(position);
    rig.send(packets_of_three(rig));
    ASSERT_TRUE(rig.run_tx());
    const auto answers = rig.tx_answers();
    ASSERT_EQ(answers.size(), kSegments);
    for (const auto& answer : answers)
      EXPECT_EQ(answer.status,
                answer.id == position / kSlotsEach ? netif::status::kError : netif::status::kOkay);
    std::size_t frames = 0;
    while (rig.tap.take()) ++frames;
    EXPECT_EQ(frames, kPackets - 1);
    EXPECT_EQ(rig.counters.tx_faults[static_cast<std::size_t>(netif::TxFault::grant_copy_failed)].get(), 1U);
  }
}

std::vector<netif::RxRequest> buffers(std::size_t count, std::uint32_t gref) {
  std::vector<netif::RxRequest> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back({static_cast<std::uint16_t>(i), 0, gref});
  return all;
}

// The other way: frames of three slots. A slot that fails makes its frame's answers errors, and no other's.
TEST(RxCopies, EachPositionFails) {
  for (std::size_t position = 0; position < kSegments; ++position) {
    BackRig rig;
    rig.post(buffers(kSegments, rig.data));
    for (std::size_t i = 0; i < kPackets; ++i) ASSERT_TRUE(rig.tap.give(pattern(2 * kPageSize + 100)));
    rig.xen.fail_call(position);
    ASSERT_TRUE(rig.run_rx());
    const auto answers = rig.rx_answers();
    ASSERT_EQ(answers.size(), kSegments);
    for (std::size_t i = 0; i < kSegments; ++i) {
      EXPECT_EQ(answers[i].id, i) << "an answer lies in the slot of its request";
      EXPECT_EQ(answers[i].status < 0, i / kSlotsEach == position / kSlotsEach);
    }
  }
}

TEST(RxCopies, ReadOnlyAndRevokedBuffersAreErrors) {
  BackRig rig;
  const std::uint32_t read_only = rig.xen.grant(false), gone = rig.xen.grant();
  rig.xen.revoke(gone);
  rig.post({{1, 0, read_only}, {2, 0, gone}, {3, 0, rig.data}});
  for (int i = 0; i < 3; ++i) rig.tap.give(pattern(100));
  ASSERT_TRUE(rig.run_rx());
  const auto answers = rig.rx_answers();
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_LT(answers[0].status, 0);
  EXPECT_LT(answers[1].status, 0);
  EXPECT_EQ(answers[2].status, 100);
}

// H5: what lies in our memory behind a frame (an earlier guest's frame, as a rule) does not get into a
// guest's page.
TEST(RxCopies, NothingBehindTheFrameIsWritten) {
  BackRig rig;
  std::memset(rig.memory.pages.from(0).data(), 0xa5, rig.memory.pages.pages() * kPageSize);
  std::memset(rig.xen.page(rig.data).bytes, 0x11, kPageSize);
  rig.post(buffers(1, rig.data));
  rig.tap.give(pattern(61));
  ASSERT_TRUE(rig.run_rx());
  ASSERT_EQ(rig.rx_answers().at(0).status, 61);
  const auto* bytes = rig.xen.page(rig.data).bytes;
  EXPECT_EQ(std::memcmp(bytes, pattern(61).data(), 61), 0);
  for (std::size_t i = 61; i < kPageSize; ++i) ASSERT_EQ(bytes[i], std::byte{0x11}) << "at byte " << i;
}

// H9, H10: a guest that posts nothing, or one slot fewer than the next frame needs. At most one frame is
// taken from the TAP, the rest stays in its queue, which is bounded; nothing is answered; and all goes on
// once slots come.
class Stops : public ::testing::TestWithParam<std::size_t> {};
TEST_P(Stops, TheFloodStaysInTheTap) {
  BackRig rig;
  const Bytes frame = pattern(2 * kPageSize + 1);  // three slots
  rig.post(buffers(GetParam(), rig.data));
  std::size_t given = 0;
  for (int round = 0; round < 200; ++round) {
    while (given < 500 && rig.tap.give(frame)) ++given;
    ASSERT_TRUE(rig.run_rx());
  }
  ASSERT_EQ(rig.rx_answers().size(), 0U);
  ASSERT_EQ(given, 500U) << "the socket is too small for this test";
  EXPECT_TRUE(rig.rx.starved());
  std::size_t delivered = 0;
  for (int round = 0; delivered < 500 && round < 20; ++round) {
    rig.post(buffers(90, rig.data));
    ASSERT_TRUE(rig.run_rx());
    for (const auto& answer : rig.rx_answers()) delivered += answer.flags & netif::rx_flag::kMoreData ? 0 : 1;
  }
  EXPECT_EQ(delivered, 500U);
}
INSTANTIATE_TEST_SUITE_P(At, Stops, ::testing::Values(0, 1, 2));

// A guest without scatter-gather gets no frame of two slots: it would take them for two frames.
TEST(RxCopies, NoSecondSlotWithoutScatterGather) {
  BackRig rig(xenstore::Features{});
  rig.post(buffers(4, rig.data));
  rig.tap.give(pattern(kPageSize + 1));
  rig.tap.give(pattern(kPageSize));
  ASSERT_TRUE(rig.run_rx());
  const auto answers = rig.rx_answers();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, static_cast<std::int16_t>(kPageSize));
}

}  // namespace
}  // namespace hush::test
