// The library for applications (domu/library) against a back end that this test is: what it may rely on, and
// what a back end that lies, refuses, stands still or goes away costs.
#include "tests/hostile/in_process/library_fixture.hpp"

namespace hush {
namespace {

TEST_F(Library, CarriesFramesBothWaysInPlace) {
  connect();
  EXPECT_EQ(vif_->state(), DirectVif::State::up);
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::uint32_t length = 14 + i;
    std::byte* const place = link().reserve(length);
    ASSERT_NE(place, nullptr);
    std::memset(place, static_cast<int>(i), length);
    link().commit({.length = length});
    area::Frame frame;
    EXPECT_FALSE(in_->peek(frame)) << "before it is published";
    link().publish();
    ASSERT_TRUE(in_->peek(frame));
    EXPECT_EQ(frame.bytes.size(), length);
    EXPECT_EQ(frame.bytes.back(), static_cast<std::byte>(i));
    (void)in_->release();

    EXPECT_FALSE(give(length, static_cast<std::uint8_t>(i))) << "a poller is told nothing";
    ASSERT_TRUE(link().peek(frame));
    EXPECT_EQ(frame.bytes.size(), length);
    EXPECT_EQ(frame.bytes.back(), static_cast<std::byte>(i));
    EXPECT_FALSE(link().peek(frame));
    link().release();
  }
  EXPECT_EQ(xen_.notifies(), 0U);
  EXPECT_EQ(vif_->counters().out.packets.get(), 200U);
  EXPECT_EQ(vif_->counters().in.packets.get(), 200U);
  EXPECT_EQ(vif_->counters().in.bytes.get(), 200U * 14 + 199 * 200 / 2);
}

TEST_F(Library, WhoWaitsIsWokenOnceAndWhoPollsNever) {
  connect();
  settle();
  ASSERT_EQ(page_->guest_rx.mode.load(std::memory_order_seq_cst), 0U);
  ASSERT_TRUE(vif_->may_wait());
  EXPECT_NE(page_->guest_rx.mode.load(std::memory_order_seq_cst), 0U);
  EXPECT_FALSE(readable());
  EXPECT_TRUE(give(60, 1));
  EXPECT_FALSE(give(60, 2)) << "one event a sleep";
  xen_.kick_local(port());
  EXPECT_TRUE(readable());
  vif_->step();
  EXPECT_FALSE(readable());
  EXPECT_EQ(page_->guest_rx.mode.load(std::memory_order_seq_cst), 0U);
  area::Frame frame;
  EXPECT_TRUE(link().peek(frame));
  EXPECT_TRUE(link().peek(frame));
  EXPECT_EQ(vif_->counters().events.get(), 1U);
}

TEST_F(Library, TheSecondLookFindsWhatCameBefore) {
  connect();
  settle();
  EXPECT_FALSE(give(60, 1));
  EXPECT_FALSE(vif_->may_wait());
  EXPECT_EQ(page_->guest_rx.mode.load(std::memory_order_seq_cst), 0U);
  EXPECT_EQ(vif_->counters().in.second_looks.get(), 1U);
  area::Frame frame;
  EXPECT_TRUE(link().peek(frame));
  // wait() looks too, and so comes back: without that this test would hang.
  EXPECT_FALSE(give(60, 2));
  vif_->wait(-1ms);
  EXPECT_TRUE(link().peek(frame));
}

TEST_F(Library, AnEventForASleepThatNeverWasIsCountedAsNeedless) {
  connect();
  settle();
  EXPECT_FALSE(give(60, 1));
  EXPECT_FALSE(vif_->may_wait()) << "the second look finds it";
  xen_.kick_local(port());
  vif_->step();
  EXPECT_EQ(vif_->counters().polls.needless.get(), 1U);
  EXPECT_EQ(vif_->counters().polls.sleeps.get(), 0U);
  area::Frame frame;
  EXPECT_TRUE(link().peek(frame));
  link().release();
  settle();
  ASSERT_TRUE(vif_->may_wait());
  EXPECT_TRUE(give(60, 2));
  xen_.kick_local(port());
  vif_->step();
  EXPECT_EQ(vif_->counters().polls.needless.get(), 1U) << "it slept since: this one was wanted";
  EXPECT_EQ(vif_->counters().polls.sleeps.get(), 1U);
}

TEST_F(Library, WaitsForRoom) {
  connect();
  while (link().reserve(1000)) link().commit({.length = 1000});
  link().publish();
  settle();
  const Wanted room{.frames = false, .room = 1000};
  ASSERT_TRUE(vif_->may_wait(room));
  EXPECT_NE(page_->guest_tx.room.load(std::memory_order_seq_cst), 0U);
  EXPECT_EQ(page_->guest_rx.mode.load(std::memory_order_seq_cst), 0U) << "no frames are wanted";
  area::Frame frame;
  while (in_->peek(frame)) {
  }
  EXPECT_TRUE(in_->release());
  xen_.kick_local(port());
  EXPECT_TRUE(readable());
  vif_->step();
  EXPECT_EQ(page_->guest_tx.room.load(std::memory_order_seq_cst), 0U);
  EXPECT_NE(link().reserve(1000), nullptr);
  EXPECT_FALSE(vif_->may_wait(room)) << "there is room";
}

TEST_F(Library, ASleepingBackEndIsTold) {
  connect();
  const auto before = xen_.notifies();
  page_->guest_tx.mode.store(17, std::memory_order_seq_cst);
  for (int i = 0; i < 2; ++i) {
    ASSERT_NE(link().reserve(60), nullptr);
    link().commit({.length = 60});
    link().publish();
  }
  EXPECT_EQ(xen_.notifies(), before + 1);
  EXPECT_EQ(vif_->counters().out.notifies_sent.get(), 1U);
}

// An end that falls asleep while more is to come is woken by whatever the application calls next.
TEST_F(Library, WhatFollowsPublishMoreTells) {
  connect();
  area::Frame frame;
  const std::function<void()> calls[] = {[&] { link().publish(); }, [&] { EXPECT_FALSE(link().peek(frame)); },
                                         [&] { vif_->step(); }, [&] { (void)vif_->may_wait(); }};
  std::uint32_t sleep = 0;
  for (const auto& call : calls) {
    page_->guest_tx.mode.store(0, std::memory_order_seq_cst);
    ASSERT_NE(link().reserve(60), nullptr);
    link().commit({.length = 60});
    const auto before = xen_.notifies();
    link().publish_more();
    EXPECT_TRUE(in_->peek(frame)) << "visible at once";
    EXPECT_EQ(xen_.notifies(), before);
    page_->guest_tx.mode.store(++sleep, std::memory_order_seq_cst);
    call();
    EXPECT_EQ(xen_.notifies(), before + 1) << "call " << sleep;
    call();
    EXPECT_EQ(xen_.notifies(), before + 1) << "once, call " << sleep;
    vif_->step();
  }
  // One that has slept for a while is seen at once.
  page_->guest_tx.mode.store(++sleep, std::memory_order_seq_cst);
  ASSERT_NE(link().reserve(60), nullptr);
  link().commit({.length = 60});
  const auto before = xen_.notifies();
  link().publish_more();
  EXPECT_EQ(xen_.notifies(), before + 1);
}

TEST_F(Library, AnEventThatCannotBeSentIsOwed) {
  connect();
  page_->guest_tx.mode.store(17, std::memory_order_seq_cst);
  ASSERT_NE(link().reserve(60), nullptr);
  link().commit({.length = 60});
  xen_.fail_call(0);
  link().publish();
  const auto before = xen_.notifies();
  vif_->step();
  EXPECT_EQ(xen_.notifies(), before + 1);
}

TEST_F(Library, AFrameWithFalseOffloadsIsDroppedAlone) {
  connect();
  ASSERT_NE(out_->reserve(60), nullptr);
  out_->commit({.length = 60, .flags = area::kNeedsChecksum, .checksum_start = 59});
  EXPECT_FALSE(give(60, 3));
  area::Frame frame;
  ASSERT_TRUE(link().peek(frame));
  EXPECT_EQ(frame.bytes[0], std::byte{3});
  link().release();
  EXPECT_EQ(vif_->counters().in.drops[0].get(), 1U);
  EXPECT_EQ(vif_->counters().in.packets.get(), 1U);
}

TEST_F(Library, ALieEndsIt) {
  const auto lies = std::to_array<void (*)(Library&)>({
      [](Library& t) { t.page_->guest_rx.produced.store(3, std::memory_order_seq_cst); },
      [](Library& t) { t.page_->guest_rx.produced.store(kRing * 16, std::memory_order_seq_cst); },
      [](Library& t) { t.page_->guest_tx.consumed.store(16, std::memory_order_seq_cst); },
      [](Library& t) {
        (void)t.out_->reserve(60);
        t.out_->commit({.length = 60, .kind = area::Kind::switch_over});
        (void)t.out_->publish();
      },
  });
  for (const auto lie : lies) {
    connect();
    lie(*this);
    area::Frame frame;
    EXPECT_FALSE(link().peek(frame));
    vif_->wait(0ms);
    if (vif_->link()) (void)link().unconsumed();
    vif_->step();
    EXPECT_EQ(vif_->link(), nullptr);
    EXPECT_EQ(vif_->state(), DirectVif::State::barred);
    EXPECT_NE(vif_->reason(), "");
    EXPECT_EQ(xen_.read(kErrorNode).value_or(""), "cut off: " + vif_->reason());
    EXPECT_EQ(xen_.shares(), 0U);
    // The device is made anew, and all is forgiven.
    back("state", "2");
    xen_.write(kFront + std::string("state"), "1");
    vif_->step();
    accept();
    EXPECT_EQ(xen_.read(kErrorNode), std::nullopt);
    vif_.reset();
    back("state", "2");
    xen_.write(kFront + std::string("state"), "1");
  }
}

TEST_F(Library, ARefusalIsSaidAndItStaysDown) {
  area_only_ = true;
  open();
  ASSERT_EQ(front("state"), "4");
  back("hush-area-refused", "1 no room today");
  back("state", "4");
  vif_->step();
  vif_->step();
  EXPECT_EQ(vif_->link(), nullptr);
  EXPECT_EQ(vif_->state(), DirectVif::State::barred);
  EXPECT_EQ(vif_->reason(), "the back end does not take the area: no room today");
  EXPECT_EQ(front("state"), "5");
  back("state", "6");
  vif_->step();
  EXPECT_EQ(front("state"), "6");
  back("state", "2");
  vif_->step();
  EXPECT_EQ(front("state"), "6") << "it does not start over";
}

TEST_F(Library, WithoutAnAreaPathNothingIsOffered) {
  area_only_ = true;
  back("feature-hush-area", "0");
  open();
  EXPECT_EQ(vif_->state(), DirectVif::State::waiting);
  EXPECT_EQ(vif_->reason(), "the back end has no area path");
  EXPECT_EQ(front("state"), "1");
  EXPECT_EQ(xen_.shares(), 0U);
}

TEST_F(Library, ABackEndThatClosesIsConnectedAgain) {
  connect();
  ASSERT_TRUE(vif_->may_wait());
  const std::uint32_t slept = page_->guest_rx.mode.load(std::memory_order_seq_cst);
  back("state", "5");
  EXPECT_TRUE(readable());
  vif_->step();
  EXPECT_EQ(vif_->link(), nullptr);
  EXPECT_EQ(xen_.shares(), 0U);
  EXPECT_EQ(front("state"), "6");
  back("state", "2");
  vif_->step();
  accept();
  EXPECT_EQ(vif_->connects(), 2U);
  settle();
  ASSERT_TRUE(vif_->may_wait());
  EXPECT_GT(page_->guest_rx.mode.load(std::memory_order_seq_cst), slept) << "a number is used once";
}

TEST_F(Library, ABackEndThatStandsStillIsToldAndNamed) {
  lose_patience();
  connect();
  ASSERT_NE(link().reserve(60), nullptr);
  link().commit({.length = 60});
  link().publish();
  while (!link().standstill()) vif_->wait(-1ms);
  EXPECT_EQ(link().standstill()->cause, "the other end takes no frames");
  EXPECT_GE(vif_->counters().out.notifies_late.get(), 1U);
  area::Frame frame;
  ASSERT_TRUE(in_->peek(frame));
  (void)in_->release();
  while (link().standstill()) vif_->wait(-1ms);
  EXPECT_EQ(vif_->counters().out.stalls.get(), 1U);
}

TEST_F(Library, EventsForNothingAreTakenMoreAndMoreSeldom) {
  connect();
  settle();
  unsigned woken = 0;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(vif_->may_wait());
    xen_.kick_local(port());
    if (!readable()) continue;
    ++woken;
    vif_->step();
  }
  EXPECT_LT(woken, 5000U);
}

TEST_F(Library, TakesLeaveInOrder) {
  connect();
  EXPECT_FALSE(vif_->close(0ms)) << "it does not answer";
  EXPECT_EQ(front("state"), "5");
  EXPECT_EQ(vif_->state(), DirectVif::State::closed);
  EXPECT_EQ(vif_->link(), nullptr) << "nothing moves any more";
  back("state", "5");
  EXPECT_TRUE(vif_->close(10s));
  EXPECT_EQ(front("state"), "6");
  EXPECT_EQ(xen_.shares(), 0U);
}

TEST_F(Library, EachCallMayFail) {
  area_only_ = true;
  for (std::uint64_t n = 0;; ++n) {
    const std::uint64_t before = xen_.calls();
    xen_.fail_call(n);
    open();
    const bool failed = xen_.calls() - before > n;
    if (failed) {
      EXPECT_EQ(vif_->state(), DirectVif::State::waiting);
      EXPECT_NE(vif_->reason(), "");
      EXPECT_EQ(xen_.shares(), 0U);
      EXPECT_EQ(xen_.ports(), 0U);
    }
    vif_.reset();
    xen_.write(kFront + std::string("state"), "1");
    if (!failed) return;
  }
}

TEST_F(Library, OptionsHaveTheirRanges) {
  for (const std::uint32_t ring : {16U, 2048U, 5000U, 64U << 20})
    EXPECT_FALSE(DirectVif::open({.ring = ring})) << ring;
  EXPECT_FALSE(DirectVif::open({.ring = 4096, .offloads = true}));
  EXPECT_FALSE(DirectVif::open({.device = xenstore::kMaxHandle + 1}));
}

}  // namespace
}  // namespace hush
