// Do frames cross between a TAP and the rings of an area whole, in order and with their offloads, and does
// each that ends here end by name?
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "common/relay/progress.hpp"
#include "common/relay/tap_port.hpp"
#include "tests/support/area_ring.hpp"
#include "tests/support/socket_tap.hpp"

namespace hush::relay {
namespace {

using test::numbered;
using Bytes = test::SocketTap::Bytes;
using Ring = test::AreaRing;

class Allowance final : public Meter {
 public:
  std::uint32_t left = 0;
  bool admits(std::uint32_t bytes) override {
    if (bytes > left) return false;
    left -= bytes;
    return true;
  }
  std::chrono::steady_clock::time_point due() const override { return {}; }
};

class TapPortTest : public ::testing::Test, protected test::SocketTap {
 protected:
  // The peer puts a frame into the ring to the TAP.
  void peer_sends(const Bytes& frame, area::Record record = {}) {
    record.length = static_cast<std::uint32_t>(frame.size());
    std::byte* const place = in_.producer.reserve(record.length);
    ASSERT_NE(place, nullptr);
    std::memcpy(place, frame.data(), frame.size());
    in_.producer.commit(record);
    (void)in_.producer.publish();
  }
  // The next frame that the port gave; empty when there is none.
  Bytes peer_receives(area::Record* record = nullptr) {
    area::Frame frame;
    if (!out_->consumer.peek(frame)) return {};
    if (record) *record = frame.record;
    Bytes bytes(frame.bytes.begin(), frame.bytes.end());
    (void)out_->consumer.release();
    return bytes;
  }
  Exchange turn(bool stalled = false, Meter* meter = nullptr) {
    Exchange exchange{in_.consumer, out_->producer, meter, stalled};
    port_->turn(exchange);
    if (in_.consumer.unreleased()) (void)in_.consumer.release();
    if (out_->producer.unpublished()) (void)out_->producer.publish();
    return exchange;
  }
  static std::uint32_t drops(const Tally& tally, Drop why) {
    return tally.drops[static_cast<std::size_t>(why)];
  }

  Ring in_{1 << 18};
  std::unique_ptr<Ring> out_ = std::make_unique<Ring>(1 << 18);
  std::unique_ptr<TapPort> port_ = std::make_unique<TapPort>(fd());
};

TEST_F(TapPortTest, FramesOfEachLengthCrossBothWays) {
  std::uint32_t n = 0;
  for (const std::size_t length : {14UL, 60UL, 1514UL, 4096UL, 65549UL, 65550UL}) {
    kernel_sends(numbered(n, length));
    peer_sends(numbered(n + 100, length));
    const Exchange exchange = turn();
    EXPECT_EQ(exchange.taken.packets, 1U);
    EXPECT_EQ(exchange.given.bytes, length);
    EXPECT_EQ(peer_receives(), numbered(n, length)) << length;
    EXPECT_EQ(kernel_receives(), numbered(n + 100, length)) << length;
    ++n;
  }
  EXPECT_FALSE(turn().taken.moved());
}

TEST_F(TapPortTest, OffloadsCrossAsTheyAre) {
  const net::VnetHeader segment{net::vnet::kNeedsCsum, net::vnet::kGsoTcpV6, 94, 1420, 54, 16};
  kernel_sends(numbered(1, 9000), segment);
  area::Record record;
  (void)turn();
  ASSERT_EQ(peer_receives(&record).size(), 9000U);
  EXPECT_TRUE(area::offload_is_sound(record));
  EXPECT_EQ(record.segmentation, area::kSegmentTcp6);
  EXPECT_EQ(record.segment_size, 1420);
  peer_sends(numbered(2, 9000), record);
  (void)turn();
  net::VnetHeader header{};
  ASSERT_EQ(kernel_receives(&header).size(), 9000U);
  EXPECT_EQ(std::memcmp(&header, &segment, sizeof header), 0);
}

// The sixth is expected to be as short as the fifth, is read in two parts, and held.
constexpr std::array<std::size_t, 8> kSixthIsHeld{65000, 65000, 65000, 30000, 60, 65001, 100, 101};

TEST_F(TapPortTest, AFrameThatDoesNotFitInOnePieceWaitsWhole) {
  for (std::uint32_t n = 0; n < kSixthIsHeld.size(); ++n) kernel_sends(numbered(n, kSixthIsHeld[n]));
  EXPECT_EQ(turn().given.packets, 5U);
  EXPECT_EQ(port_->lacks_room(), 65001U);
  for (std::uint32_t n = 0; n < kSixthIsHeld.size(); ++n) {
    EXPECT_EQ(peer_receives(), numbered(n, kSixthIsHeld[n])) << n;
    (void)turn();
  }
  EXPECT_EQ(port_->lacks_room(), 0U);
  EXPECT_TRUE(peer_receives().empty());
}

TEST_F(TapPortTest, EveryFrameArrivesOnceInOrderThroughManyWraps) {
  out_ = std::make_unique<Ring>(16 << 10);
  std::uint32_t sent = 0, received = 0;
  while (received < 3000) {
    for (int i = 0; i < 5 && sent < 3000; ++i, ++sent) kernel_sends(numbered(sent, 14 + sent * 131 % 7000));
    const Exchange exchange = turn();
    ASSERT_EQ(exchange.given.dropped, false);
    for (Bytes got = peer_receives(); !got.empty(); got = peer_receives(), ++received)
      ASSERT_EQ(got, numbered(received, 14 + received * 131 % 7000)) << received;
  }
}

TEST_F(TapPortTest, WhatMakesNoSenseIsDroppedByNameAndTheNextFrameCrosses) {
  peer_sends(numbered(1, 60), {.flags = area::kNeedsChecksum, .checksum_start = 50, .checksum_offset = 9});
  peer_sends(numbered(2, 60), {.segmentation = area::kSegmentTcp4, .segment_size = 100});
  peer_sends(numbered(3, 60), {.flags = 0x80});
  peer_sends(numbered(4, 60));
  const Exchange exchange = turn();
  EXPECT_EQ(drops(exchange.taken, Drop::bad_offload), 3U);
  EXPECT_EQ(kernel_receives(), numbered(4, 60));
  EXPECT_TRUE(kernel_receives().empty());
}

TEST_F(TapPortTest, AFrameOutsideTheLimitsOfTheRingIsDropped) {
  out_ = std::make_unique<Ring>(4 << 10);
  kernel_sends(numbered(1, area::max_frame_of(4 << 10) + 1));
  kernel_sends(numbered(2, 13));
  kernel_sends(numbered(3, area::max_frame_of(4 << 10)));
  const Exchange exchange = turn();
  EXPECT_EQ(drops(exchange.given, Drop::too_long), 1U);
  EXPECT_EQ(drops(exchange.given, Drop::too_short), 1U);
  EXPECT_EQ(peer_receives(), numbered(3, area::max_frame_of(4 << 10)));
}

TEST_F(TapPortTest, WhatIsForAStalledPeerIsDroppedTheHeldFrameToo) {
  for (std::uint32_t n = 0; n < kSixthIsHeld.size(); ++n) kernel_sends(numbered(n, kSixthIsHeld[n]));
  (void)turn();
  const Exchange stalled = turn(true);
  EXPECT_EQ(drops(stalled.given, Drop::peer_stalled), 3U);
  EXPECT_EQ(port_->lacks_room(), 0U);
  for (std::uint32_t n = 0; n < 5; ++n) EXPECT_EQ(peer_receives(), numbered(n, kSixthIsHeld[n]));
  kernel_sends(numbered(9, 100));
  (void)turn();
  EXPECT_EQ(peer_receives(), numbered(9, 100));
}

TEST_F(TapPortTest, AMeterLeavesTheNextFrameInTheRing) {
  Allowance meter;
  meter.left = 150;
  for (std::uint32_t n = 0; n < 3; ++n) peer_sends(numbered(n, 100));
  EXPECT_TRUE(turn(false, &meter).short_of_credit);
  EXPECT_EQ(kernel_receives(), numbered(0, 100));
  EXPECT_TRUE(kernel_receives().empty());
  meter.left = 1000;
  EXPECT_FALSE(turn(false, &meter).short_of_credit);
  EXPECT_EQ(kernel_receives(), numbered(1, 100));
  EXPECT_EQ(kernel_receives(), numbered(2, 100));
}

TEST_F(TapPortTest, ATapThatIsGoneIsAFault) {
  remove();
  (void)turn();
  EXPECT_EQ(port_->fault(), "its TAP is gone");
}

TEST(Progress, StandingStillIsSaidOfARingThatIsNotEmptyAndDoesNotMove) {
  using enum Progress::Verdict;
  Progress progress;
  EXPECT_EQ(progress.look(16, 0), idle);
  EXPECT_EQ(progress.look(16, 32), moves);  // the first look at it
  EXPECT_EQ(progress.look(16, 32), stands);
  EXPECT_EQ(progress.look(16, 64), stands);
  EXPECT_EQ(progress.look(32, 48), moves);
  EXPECT_EQ(progress.look(32, 48), stands);
  EXPECT_EQ(progress.look(80, 0), idle);
  EXPECT_EQ(progress.look(80, 16), moves);  // what lies there came since
  EXPECT_EQ(progress.look(80, 16), stands);
}

TEST(Progress, WhoLooksLateGivesOneMoreBoundOnce) {
  using enum Progress::Verdict;
  constexpr bool kLate = true;
  Progress progress;
  EXPECT_EQ(progress.look(16, 32, kLate), moves);
  EXPECT_EQ(progress.look(16, 32, kLate), late) << "both ends were frozen, for all that is known";
  EXPECT_EQ(progress.look(16, 32, kLate), stands) << "one that is always late says something all the same";
  EXPECT_EQ(progress.look(32, 48), moves);
  EXPECT_EQ(progress.look(32, 48, kLate), late) << "it was seen to move since";
  EXPECT_EQ(progress.look(32, 48), stands);
  EXPECT_EQ(progress.look(64, 0, kLate), idle);
}

}  // namespace
}  // namespace hush::relay
