// Does an area give way to another while frames go both ways, with none lost, doubled or out of order? And
// does an end see through a SWITCH that is none?
#include "common/area/ring_pair.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/own_area.hpp"

namespace hush::area {
namespace {

using test::OwnArea;
constexpr std::uint32_t kSize = 4096;

// A frame of number n: its length and all its bytes follow from n.
std::uint32_t length_of(std::uint32_t n, std::uint32_t longest) {
  return kMinFrame + (n * 7919) % (longest - kMinFrame + 1);
}
bool send(SharedProducer& out, std::uint32_t n, std::uint32_t longest) {
  const std::uint32_t length = length_of(n, longest);
  std::byte* const place = out.reserve(length);
  if (!place) return false;
  std::memset(place, static_cast<int>(n % 251), length);
  std::memcpy(place, &n, sizeof n);
  out.commit({.length = length});
  return true;
}
// Is it frame n, whole?
bool is(const Frame& frame, std::uint32_t n, std::uint32_t longest) {
  std::uint32_t number = 0;
  std::memcpy(&number, frame.bytes.data(), sizeof number);
  return number == n && frame.record.length == length_of(n, longest) &&
         frame.bytes.back() == static_cast<std::byte>(n % 251);
}

struct Ends {
  OwnArea first{header_of(1, kSize, kSize)};
  RingPair front{front_side(first.view())};
  RingPair back{back_side(first.view())};
  static constexpr std::uint32_t kLongest = max_frame_of(kSize);
};

TEST(RingPair, ABackEndThatDiedBeforeItWasConnectedLeavesNothing) {
  Ends ends;
  for (std::uint32_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(send(ends.back.out, n, 100));
    (void)ends.back.publish();
  }
  (void)ends.back.may_sleep();
  RingPair::begin_anew(back_side(ends.first.view()));
  RingPair second(back_side(ends.first.view()));

  Frame frame;
  EXPECT_FALSE(ends.front.in.peek(frame)) << "what the first one published is gone with it";
  ASSERT_TRUE(send(ends.front.out, 7, Ends::kLongest));
  EXPECT_FALSE(ends.front.out.publish()) << "nobody sleeps";
  ASSERT_TRUE(send(second.out, 9, Ends::kLongest));
  (void)second.publish();
  ASSERT_TRUE(ends.front.in.peek(frame));
  EXPECT_TRUE(is(frame, 9, Ends::kLongest));
  EXPECT_FALSE(ends.front.in.peek(frame));
  EXPECT_EQ(ends.front.fault(), Fault::none);
  ASSERT_TRUE(second.in.peek(frame));
  EXPECT_TRUE(is(frame, 7, Ends::kLongest));
}

TEST(RingPair, BothDirectionsMoveWithWhatIsOnItsWay) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {65536, 16384})};
  ASSERT_TRUE(send(ends.front.out, 1, Ends::kLongest));
  (void)ends.front.out.publish();
  ASSERT_TRUE(send(ends.back.out, 101, Ends::kLongest));
  (void)ends.back.out.publish();
  ends.back.stage(back_side(next.view()));
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::none) << "the front end leads";
  (void)ends.front.lead(front_side(next.view()));
  EXPECT_TRUE(ends.front.leads());
  ASSERT_TRUE(send(ends.front.out, 2, Ends::kLongest)) << "in the next area";
  (void)ends.front.out.publish();

  Frame frame;
  ASSERT_TRUE(ends.back.in.peek(frame));
  EXPECT_TRUE(is(frame, 1, Ends::kLongest));
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::none) << "what is before the SWITCH comes first";
  EXPECT_FALSE(ends.back.in.peek(frame));
  (void)ends.back.in.release();
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::followed);
  ASSERT_TRUE(ends.back.in.peek(frame));
  EXPECT_TRUE(is(frame, 2, Ends::kLongest));
  ASSERT_TRUE(send(ends.back.out, 102, Ends::kLongest));
  (void)ends.back.out.publish();

  ASSERT_TRUE(ends.front.in.peek(frame));
  EXPECT_TRUE(is(frame, 101, Ends::kLongest));
  EXPECT_FALSE(ends.front.in.peek(frame));
  EXPECT_EQ(ends.front.cross(), RingPair::Crossing::over);
  EXPECT_FALSE(ends.front.leads());
  ASSERT_TRUE(ends.front.in.peek(frame));
  EXPECT_TRUE(is(frame, 102, Ends::kLongest));
}

TEST(RingPair, AFullRingStillHasRoomForTheSwitch) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {8192, 8192})};
  // Of 48 bytes with its record, so that nothing but the reserve is left at last.
  for (RingPair* const end : {&ends.front, &ends.back}) {
    ASSERT_NE(end->out.reserve(32), nullptr);
    end->out.commit({.length = 32});
  }
  std::uint32_t sent = 0;
  for (std::uint32_t n = 1; send(ends.front.out, n, kMinFrame); ++n) sent = n;
  std::uint32_t returned = 0;
  for (std::uint32_t n = 1; send(ends.back.out, n, kMinFrame); ++n) returned = n;
  (void)ends.front.out.publish();
  (void)ends.back.out.publish();
  ASSERT_EQ(ends.front.out.waiting(), kSize - kReserve);
  ends.back.stage(back_side(next.view()));
  (void)ends.front.lead(front_side(next.view()));
  Frame frame;
  ASSERT_TRUE(ends.back.in.peek(frame)) << "the ring is full to its last byte";
  for (std::uint32_t n = 1; n <= sent; ++n) {
    ASSERT_TRUE(ends.back.in.peek(frame)) << n;
    ASSERT_TRUE(is(frame, n, kMinFrame));
  }
  EXPECT_FALSE(ends.back.in.peek(frame));
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::followed);
  ASSERT_TRUE(ends.front.in.peek(frame));
  for (std::uint32_t n = 1; n <= returned; ++n) ASSERT_TRUE(ends.front.in.peek(frame)) << n;
  EXPECT_FALSE(ends.front.in.peek(frame));
  EXPECT_EQ(ends.front.cross(), RingPair::Crossing::over);
  EXPECT_EQ(ends.back.fault(), Fault::none);
  EXPECT_EQ(ends.front.fault(), Fault::none);
}

TEST(RingPair, ASleeperIsToldOfTheSwitchAndItsNumbersGoOn) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {kSize, kSize})};
  ASSERT_TRUE(ends.back.in.may_sleep());
  ASSERT_TRUE(ends.front.in.may_sleep());
  ends.back.stage(back_side(next.view()));
  EXPECT_TRUE(ends.front.lead(front_side(next.view()))) << "the other end sleeps";
  ends.back.in.awake();
  Frame frame;
  EXPECT_FALSE(ends.back.in.peek(frame));
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::followed);
  EXPECT_EQ(ends.back.in.last_sleep(), 1U);
  ASSERT_TRUE(ends.back.in.may_sleep());
  EXPECT_EQ(next.view().page->guest_tx.mode.load(std::memory_order_relaxed), 2U);
  ASSERT_TRUE(send(ends.front.out, 1, 100));
  EXPECT_TRUE(ends.front.out.publish()) << "of this sleep it was not told";
}

TEST(RingPair, NumbersOfSleepsForRoomGoOnToo) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {kSize, kSize})};
  while (send(ends.front.out, 1, kMinFrame)) {
  }
  (void)ends.front.out.publish();
  ASSERT_TRUE(ends.front.out.wait_for_room(kMinFrame));
  EXPECT_EQ(ends.first.view().page->guest_tx.room.load(std::memory_order_relaxed), 1U);
  ends.front.out.awake();
  (void)ends.front.lead(front_side(next.view()));
  while (send(ends.front.out, 1, kMinFrame)) {
  }
  (void)ends.front.out.publish();
  ASSERT_TRUE(ends.front.out.wait_for_room(kMinFrame));
  EXPECT_EQ(next.view().page->guest_tx.room.load(std::memory_order_relaxed), 2U);
}

TEST(RingPair, AnAreaThatWasTakenBackIsNoPlaceToGo) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {kSize, kSize})};
  ends.back.stage(back_side(next.view()));
  ASSERT_TRUE(send(ends.front.out, 1, 100));
  (void)ends.front.out.publish();
  EXPECT_FALSE(ends.back.unstage(false)) << "a SWITCH may lie behind what is not read yet";
  Frame frame;
  ASSERT_TRUE(ends.back.in.peek(frame));
  EXPECT_TRUE(ends.back.unstage(false));
  (void)ends.front.lead(front_side(next.view()));
  EXPECT_FALSE(ends.back.in.peek(frame));
  EXPECT_EQ(ends.back.fault(), Fault::switch_unasked);
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::none);
}

TEST(RingPair, WhatItHasFollowedCannotBeTakenBack) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {kSize, kSize})};
  ends.back.stage(back_side(next.view()));
  (void)ends.front.lead(front_side(next.view()));
  Frame frame;
  EXPECT_FALSE(ends.back.in.peek(frame));
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::followed);
  EXPECT_FALSE(ends.back.unstage(true));
}

// A SWITCH as no honest producer writes it, put into guest_tx by hand.
Fault fault_of(const Record& record, std::uint32_t more, bool staged) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {kSize, kSize})};
  if (staged) ends.back.stage(back_side(next.view()));
  const View view = ends.first.view();
  guest_tx_ring(view.rings, view.header).put(0, record);
  view.page->guest_tx.produced.store(kRecordBytes + more, std::memory_order_release);
  Frame frame;
  EXPECT_FALSE(ends.back.in.peek(frame));
  EXPECT_EQ(ends.back.cross() == RingPair::Crossing::followed, ends.back.fault() == Fault::none);
  return ends.back.fault();
}

TEST(RingPair, ASwitchThatIsNoneEndsTheRing) {
  const Record record{.kind = Kind::switch_over};
  EXPECT_EQ(fault_of(record, 0, true), Fault::none);
  EXPECT_EQ(fault_of(record, 0, false), Fault::switch_unasked);
  EXPECT_EQ(fault_of({.length = 16, .kind = Kind::switch_over}, 16, true), Fault::switch_not_empty);
  EXPECT_EQ(fault_of(record, 16, true), Fault::record_behind_switch);
  // Nor may the back end switch before the front end has.
  Ends ends;
  const View view = ends.first.view();
  guest_rx_ring(view.rings, view.header).put(0, record);
  view.page->guest_rx.produced.store(kRecordBytes, std::memory_order_release);
  Frame frame;
  EXPECT_FALSE(ends.front.in.peek(frame));
  EXPECT_EQ(ends.front.fault(), Fault::switch_unasked);
}

TEST(RingPair, NothingIsReadBehindASwitchLaterEither) {
  Ends ends;
  OwnArea next{header_after(ends.first.view().header, 2, {kSize, kSize})};
  ends.back.stage(back_side(next.view()));
  (void)ends.front.lead(front_side(next.view()));
  Frame frame;
  EXPECT_FALSE(ends.back.in.peek(frame));
  const View view = ends.first.view();
  guest_tx_ring(view.rings, view.header).put(16, Record{.length = 60});
  view.page->guest_tx.produced.store(96, std::memory_order_release);
  EXPECT_FALSE(ends.back.in.peek(frame)) << "before it has crossed";
  EXPECT_EQ(ends.back.cross(), RingPair::Crossing::followed);
}

TEST(RingPair, SixteenBytesMoreAreForASwitchAlone) {
  Ends ends;
  const View view = ends.first.view();
  view.page->guest_tx.produced.store(kSize, std::memory_order_release);
  Frame frame;
  EXPECT_FALSE(ends.back.in.peek(frame));
  EXPECT_EQ(ends.back.fault(), Fault::produced_impossible) << "none is awaited";
}

// Full traffic both ways while the areas change under it, between two threads. What the control threads do is
// one word here: the back end is ready for an area before the front end knows of it.
TEST(RingPair, NothingIsLostInThousandsOfSwitches) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr std::uint32_t kSwitches = 500;
#else
  constexpr std::uint32_t kSwitches = 5'000;
#endif
  const Header origin = header_of(1, kSize, kSize);
  constexpr std::uint32_t kLongest = max_frame_of(kSize);
  std::vector<std::unique_ptr<OwnArea>> areas;
  areas.push_back(std::make_unique<OwnArea>(origin));
  areas.push_back(nullptr);  // of the even ones, and so on: two at a time, as the protocol has it
  std::atomic<std::uint32_t> wanted{0}, staged{0}, followed{0}, over{0};
  std::atomic<bool> end{false};
  std::atomic<std::uint32_t> front_got{0}, back_got{0}, front_sent{0}, back_sent{0};
  std::atomic<bool> front_sound{true}, back_sound{true};
  RingPair front{front_side(areas[0]->view())};
  RingPair back{back_side(areas[0]->view())};

  // One turn of an end: a burst each way. `n` numbers what is sent and what is expected.
  const auto turn = [](RingPair& rings, auto& sent, auto& got, auto& sound, bool sends) {
    Frame frame;
    const std::uint32_t before = sent + got;
    for (int i = 0; i < 16 && rings.in.peek(frame); ++i) sound = sound && is(frame, ++got, kLongest);
    if (rings.in.unreleased()) (void)rings.in.release();
    for (int i = 0; i < 16 && sends && send(rings.out, sent + 1, kLongest); ++i) ++sent;
    if (rings.out.unpublished()) (void)rings.out.publish();
    sound = sound && rings.fault() == Fault::none;
    if (sent + got == before) std::this_thread::yield();
  };
  std::thread back_end([&] {
    std::uint32_t ready = 0;
    while (!end.load()) {
      if (const std::uint32_t next = wanted.load(); next != ready) {
        back.stage(back_side(areas[next % 2]->view()));
        ready = next;
        staged.store(next);
      }
      turn(back, back_sent, back_got, back_sound, over.load() < kSwitches);
      if (back.cross() == RingPair::Crossing::followed) followed.store(ready);
      if (!back_sound) return;
    }
  });
  std::uint32_t asked = 0, led = 0;
  constexpr std::array<std::uint32_t, 4> kRings{4096, 16384, 8192, 65536};
  const auto idle = [&] {  // all is over, and everything arrived
    return over.load() == kSwitches && front_sent == back_got && back_sent == front_got;
  };
  std::uint64_t turns = 0;
  while (front_sound && back_sound) {
    if (asked == over.load() && asked < kSwitches) {
      ++asked;
      areas[asked % 2] = std::make_unique<OwnArea>(
          header_after(origin, asked + 1, {kRings[asked % 4], kRings[(asked / 4) % 4]}));
      wanted.store(asked);
    }
    if (staged.load() == asked && led < asked) {
      led = asked;
      (void)front.lead(front_side(areas[asked % 2]->view()));
    }
    turn(front, front_sent, front_got, front_sound, over.load() < kSwitches);
    if (front.cross() == RingPair::Crossing::over) {
      // In earnest the kernel keeps the pages until the back end has unmapped them.
      while (followed.load() != led) std::this_thread::yield();
      areas[(asked + 1) % 2].reset();
      over.store(led);
    }
    if (over.load() == kSwitches && ++turns > 1'000'000) break;  // a hang is a failure
    if (over.load() == kSwitches && front.out.waiting() == 0) {
      front.out.look();
      if (idle()) break;
    }
  }
  end.store(true);
  back_end.join();
  EXPECT_TRUE(front_sound) << to_text(front.fault()) << " at frame " << front_got;
  EXPECT_TRUE(back_sound) << to_text(back.fault()) << " at frame " << back_got;
  EXPECT_EQ(over.load(), kSwitches);
  EXPECT_EQ(front_sent, back_got);
  EXPECT_EQ(back_sent, front_got);
  EXPECT_GT(front_got, kSwitches) << "there was traffic";
  EXPECT_GT(back_got, kSwitches);
}

}  // namespace
}  // namespace hush::area
