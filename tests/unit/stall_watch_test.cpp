// When is a guest stalled, when not any more, and when are its frames dropped?
#include "dom0/vif/stall_watch.hpp"

#include <gtest/gtest.h>

namespace hush::dom0 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Due = StallWatch::Due;
constexpr StallWatch::Time kStart{seconds(1000)};

StallWatch watch(RxTimeouts timeouts = {}) {
  StallWatch w;
  w.set(timeouts);
  return w;
}

TEST(StallWatch, NothingWaitsNothingIsDue) {
  auto w = watch();
  EXPECT_EQ(w.next(), std::nullopt);
  EXPECT_EQ(w.check(kStart + seconds(1000000)), Due{}) << "an idle vif is no stalled one";
  EXPECT_FALSE(w.fed());
}

TEST(StallWatch, DroppedAfterTenSecondsStalledAfterSixty) {
  auto w = watch();
  w.wait(kStart);
  EXPECT_EQ(w.next(), kStart + seconds(10));
  EXPECT_EQ(w.check(kStart + milliseconds(9999)), Due{});
  EXPECT_EQ(w.check(kStart + seconds(10)), (Due{.drop = true}));
  EXPECT_EQ(w.next(), kStart + seconds(60));
  EXPECT_EQ(w.check(kStart + milliseconds(59999)), Due{});
  EXPECT_EQ(w.check(kStart + seconds(60)), (Due{.stall = true}));
  EXPECT_TRUE(w.stalled());
  EXPECT_EQ(w.starving_since(), kStart);
  EXPECT_EQ(w.next(), std::nullopt);
  EXPECT_EQ(w.check(kStart + seconds(1000)), Due{}) << "said once";
}

TEST(StallWatch, DropsDoNotHideAStall) {
  auto w = watch();
  w.wait(kStart);
  for (int second = 0; second < 60; ++second) {
    const Due due = w.check(kStart + seconds(second));
    EXPECT_FALSE(due.stall) << second;
    w.wait(kStart + seconds(second));  // the next frame that comes
  }
  EXPECT_TRUE(w.check(kStart + seconds(60)).stall);
}

TEST(StallWatch, EachFrameHasItsOwnTenSeconds) {
  auto w = watch();
  w.wait(kStart);
  EXPECT_TRUE(w.check(kStart + seconds(10)).drop);
  w.wait(kStart + seconds(15));
  EXPECT_EQ(w.next(), kStart + seconds(25));
  EXPECT_FALSE(w.check(kStart + seconds(24)).drop);
  EXPECT_TRUE(w.check(kStart + seconds(25)).drop);
}

TEST(StallWatch, FedInTimeIsNeverStalled) {
  auto w = watch();
  for (int i = 0; i < 100; ++i) {
    const auto now = kStart + seconds(5 * i);
    w.wait(now);
    EXPECT_EQ(w.check(now + seconds(4)), Due{});
    EXPECT_FALSE(w.fed());
  }
}

TEST(StallWatch, FedEndsAStallOnce) {
  auto w = watch();
  w.wait(kStart);
  EXPECT_TRUE(w.check(kStart + seconds(60)).stall);
  EXPECT_TRUE(w.fed());
  EXPECT_FALSE(w.stalled());
  EXPECT_FALSE(w.fed());
  EXPECT_EQ(w.starving_since(), std::nullopt);
  w.wait(kStart + seconds(100));
  EXPECT_FALSE(w.check(kStart + seconds(159)).stall) << "the next stall begins anew";
  EXPECT_TRUE(w.check(kStart + seconds(160)).stall);
}

TEST(StallWatch, ZeroIsNever) {
  auto w = watch({.stall = milliseconds(0), .drain = milliseconds(0)});
  w.wait(kStart);
  EXPECT_EQ(w.next(), std::nullopt);
  EXPECT_EQ(w.check(kStart + seconds(1000000)), Due{});
}

TEST(StallWatch, ChangedTimeoutsHoldForWhatWaits) {
  auto w = watch();
  w.wait(kStart);
  w.set({.stall = seconds(5), .drain = milliseconds(0)});
  EXPECT_EQ(w.next(), kStart + seconds(5));
  EXPECT_EQ(w.check(kStart + seconds(5)), (Due{.stall = true}));
}

TEST(StallWatch, BothAtOnce) {
  auto w = watch({.stall = seconds(1), .drain = seconds(1)});
  w.wait(kStart);
  EXPECT_EQ(w.check(kStart + seconds(1)), (Due{.drop = true, .stall = true}));
}

}  // namespace
}  // namespace hush::dom0
