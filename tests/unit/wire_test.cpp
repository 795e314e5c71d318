// Does a wire carry the frames of two vifs whole and in order, wake only who sleeps, and let either end go?
#include "dom0/port/wire.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/area_ring.hpp"

namespace hush::dom0 {
namespace {

using test::FrameBytes;
using test::numbered;

// A vif on a wire: its guest's rings, its port, and how often it was woken.
struct OnWire {
  OnWire(Wires& wires, std::uint32_t number) { plug(wires, number); }
  void plug(Wires& wires, std::uint32_t number) {
    auto joined = wires.join(number, counters);
    ASSERT_TRUE(joined) << joined.error().text;
    port = std::move(*joined);
    port->attach([this] { ++wakes; });
  }
  void guest_sends(const FrameBytes& frame, area::Record record = {}) {
    record.length = static_cast<std::uint32_t>(frame.size());
    std::byte* const place = from_guest.producer.reserve(record.length);
    ASSERT_NE(place, nullptr);
    std::memcpy(place, frame.data(), frame.size());
    from_guest.producer.commit(record);
    (void)from_guest.producer.publish();
  }
  FrameBytes guest_receives(area::Record* record = nullptr) {
    area::Frame frame;
    if (!to_guest.consumer.peek(frame)) return {};
    if (record) *record = frame.record;
    FrameBytes bytes(frame.bytes.begin(), frame.bytes.end());
    (void)to_guest.consumer.release();
    return bytes;
  }
  relay::Exchange turn(bool stalled = false) {
    relay::Exchange exchange{from_guest.consumer, to_guest.producer, nullptr, stalled};
    port->turn(exchange);
    if (from_guest.consumer.unreleased()) (void)from_guest.consumer.release();
    if (to_guest.producer.unpublished()) (void)to_guest.producer.publish();
    return exchange;
  }

  test::AreaRing from_guest{1 << 18}, to_guest{1 << 18};
  relay::EndCounters counters;
  std::unique_ptr<relay::Port> port;
  int wakes = 0;
};

class WireTest : public ::testing::Test {
 protected:
  static std::uint32_t drops(const relay::Tally& tally, relay::Drop why) {
    return tally.drops[static_cast<std::size_t>(why)];
  }
  // Sends until the hop is full; how many frames it holds.
  std::uint32_t fill_the_hop() {
    std::uint32_t sent = 0;
    while (!a.port->holds_back()) {
      a.guest_sends(numbered(sent++, 60'000));
      (void)a.turn();
      EXPECT_LT(sent, 100U) << "it never holds back";
      if (sent == 100) break;
    }
    return sent - 1;  // the last one stays in the guest's ring
  }

  Wires wires;
  OnWire a{wires, 5}, b{wires, 5};
};

TEST_F(WireTest, FramesOfEachLengthCrossBothWays) {
  std::uint32_t n = 0;
  area::Record record;
  for (const std::size_t length : {14UL, 60UL, 1514UL, 65550UL}) {
    a.guest_sends(numbered(n, length), {.flags = area::kNeedsChecksum, .checksum_offset = 4});
    b.guest_sends(numbered(n + 100, length));
    EXPECT_EQ(a.turn().taken.packets, 1U);
    EXPECT_EQ(b.turn().given.bytes, length);
    (void)a.turn();
    EXPECT_EQ(b.guest_receives(&record), numbered(n, length)) << length;
    EXPECT_EQ(record.flags, area::kNeedsChecksum);
    EXPECT_EQ(record.checksum_offset, 4);
    EXPECT_EQ(a.guest_receives(), numbered(n + 100, length)) << length;
    ++n;
  }
  EXPECT_FALSE(b.turn().given.moved());
}

TEST_F(WireTest, OneWakeForASleepAndNoneForWhoIsAwake) {
  a.guest_sends(numbered(1, 60));
  (void)a.turn();
  EXPECT_EQ(b.wakes, 0) << "it never slept";
  EXPECT_FALSE(b.port->rest()) << "a frame is there";
  b.port->awake();
  (void)b.turn();
  ASSERT_TRUE(b.port->rest());
  for (std::uint32_t n = 2; n < 5; ++n) {
    a.guest_sends(numbered(n, 60));
    (void)a.turn();
  }
  EXPECT_EQ(b.wakes, 1);
  EXPECT_EQ(a.counters.in.hops_woken.get(), 1U);
  EXPECT_EQ(a.counters.in.hops_saved.get(), 3U);
  b.port->awake();
  (void)b.turn();
  for (std::uint32_t n = 1; n < 5; ++n) EXPECT_EQ(b.guest_receives(), numbered(n, 60));
}

TEST_F(WireTest, WhoWaitsForRoomIsWokenOnce) {
  const std::uint32_t held = fill_the_hop();
  ASSERT_TRUE(a.port->rest());
  std::uint32_t taken = 0;
  while (a.wakes == 0 && taken < held) {
    (void)b.turn();
    while (!b.guest_receives().empty()) ++taken;
  }
  EXPECT_EQ(a.wakes, 1);
  EXPECT_EQ(b.counters.out.hops_woken.get(), 1U);
  a.port->awake();
  (void)a.turn();
  EXPECT_FALSE(a.port->holds_back());
}

TEST_F(WireTest, WithoutAnotherEndFramesAreDroppedByName) {
  (void)fill_the_hop();
  ASSERT_TRUE(a.port->rest());
  b.port.reset();
  EXPECT_EQ(a.wakes, 1) << "nobody else makes room";
  a.port->awake();
  EXPECT_EQ(drops(a.turn().taken, relay::Drop::unplugged), 1U);
  EXPECT_FALSE(a.port->holds_back());
}

TEST_F(WireTest, AnEndThatComesAgainStartsEmptyAndGoesOn) {
  for (int round = 0; round < 50; ++round) {
    for (std::uint32_t n = 0; n < 3; ++n) a.guest_sends(numbered(n, 40'000));
    (void)a.turn();
    b.port.reset();
    b.plug(wires, 5);
    EXPECT_FALSE(b.turn().given.moved()) << "what came before is not for this connection";
    a.guest_sends(numbered(9, 1514));
    (void)a.turn();
    (void)b.turn();
    ASSERT_EQ(b.guest_receives(), numbered(9, 1514));
  }
}

TEST_F(WireTest, AStalledGuestDropsAndHoldsNobodyUp) {
  (void)fill_the_hop();
  ASSERT_TRUE(a.port->rest());
  EXPECT_GT(drops(b.turn(true).given, relay::Drop::peer_stalled), 1U);
  EXPECT_EQ(a.wakes, 1);
}

TEST_F(WireTest, AFrameWhoseOffloadsContradictEachOtherGoesNoFurther) {
  a.guest_sends(numbered(1, 60), {.segmentation = area::kSegmentTcp4, .segment_size = 1448});
  EXPECT_EQ(drops(a.turn().taken, relay::Drop::bad_offload), 1U);
  EXPECT_FALSE(b.turn().given.moved());
}

TEST_F(WireTest, AFrameWithoutRoomAtTheGuestWaits) {
  std::uint32_t sent = 0, got = 0;
  while (b.port->lacks_room() == 0) {
    a.guest_sends(numbered(sent++, 60'000));
    (void)a.turn();
    (void)b.turn();
    ASSERT_LT(sent, 50U);
  }
  EXPECT_TRUE(b.port->rest()) << "it waits for its guest, not for the wire";
  b.port->awake();
  for (; got < sent; ++got) {
    auto frame = b.guest_receives();
    if (frame.empty()) (void)b.turn(), frame = b.guest_receives();
    ASSERT_EQ(frame, numbered(got, 60'000)) << got;
  }
}

TEST_F(WireTest, AWireHasTwoEndsAndANumber) {
  relay::EndCounters counters;
  EXPECT_NE(wires.join(5, counters).error().text.find("two ends already"), std::string::npos);
  EXPECT_NE(wires.join(0, counters).error().text.find("no wire is named"), std::string::npos);
  EXPECT_TRUE(wires.join(6, counters));
  b.port.reset();
  EXPECT_TRUE(wires.join(5, counters));
}

}  // namespace
}  // namespace hush::dom0
