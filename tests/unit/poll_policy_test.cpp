// Is it polled where polling is cheaper than a sleep, and nowhere else?
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>

#include "common/poll/patience.hpp"
#include "common/poll/wake_cost.hpp"

namespace hush::poll {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;

constexpr Rules kCost20{.mode = Mode::automatic, .wake_cost = microseconds(20)};

TEST(PollBudget, WhatIsExpectedInTimeIsPolledForAsLongAsASleepCosts) {
  EXPECT_EQ(budget(kCost20, Time(0)), microseconds(20));
  EXPECT_EQ(budget(kCost20, microseconds(1)), microseconds(20));
  EXPECT_EQ(budget(kCost20, microseconds(20)), microseconds(20));
}

TEST(PollBudget, WhatIsExpectedLaterIsSleptForAtOnce) {
  EXPECT_EQ(budget(kCost20, microseconds(20) + Time(1)), Time(0));
  EXPECT_EQ(budget(kCost20, hours(1)), Time(0));
}

TEST(PollBudget, BoundsHold) {
  Rules rules = kCost20;
  rules.most = microseconds(5);
  EXPECT_EQ(budget(rules, microseconds(5)), microseconds(5));
  EXPECT_EQ(budget(rules, microseconds(6)), Time(0)) << "it would not come in time";
  rules = kCost20;
  rules.least = microseconds(7);
  EXPECT_EQ(budget(rules, hours(1)), microseconds(7));
  EXPECT_EQ(budget(rules, microseconds(1)), microseconds(20));
  rules.least = microseconds(70);
  EXPECT_EQ(budget(rules, microseconds(1)), microseconds(70)) << "an admin may want more than pays";
  rules.most = microseconds(30);
  EXPECT_EQ(budget(rules, hours(1)), microseconds(30)) << "the two contradict";
}

TEST(PollBudget, TheOtherModesExpectNothing) {
  for (const Time expected : {Time(0), Time(hours(1))}) {
    EXPECT_EQ(budget({.mode = Mode::event, .least = microseconds(9)}, expected), Time(0));
    EXPECT_EQ(budget({.mode = Mode::poll, .most = Time(0)}, expected), kForever);
  }
}

RC_GTEST_PROP(PollBudget, NeverMoreThanASleepOrTheLeastNorThanTheMost, ()) {
  const auto time = [] { return Time(*rc::gen::inRange(0, 1'000'000)); };
  const Rules rules{.least = time(), .most = time(), .wake_cost = time()};
  const Time expected = time(), polled = budget(rules, expected);
  RC_ASSERT(polled <= rules.most);
  RC_ASSERT(polled <= std::max(rules.wake_cost, rules.least));
  RC_ASSERT(polled == Time(0) || polled >= expected || polled == std::min(rules.least, rules.most));
}

// A queue whose frames come one by one, `gap` apart, `count` of them. The answer to the last one.
class Stream {
 public:
  explicit Stream(const Rules& rules = kCost20) { patience_.set(rules); }
  Time frames(int count, Time gap, std::uint64_t together = 1) {
    Time polled{};
    for (int i = 0; i < count; ++i) {
      now_ += gap;
      patience_.arrived(together);
      polled = patience_.drained(now_);
    }
    return polled;
  }
  Time nothing(Time later) { return patience_.drained(now_ += later); }
  [[nodiscard]] Time expected() const { return patience_.expected(); }

 private:
  Patience patience_;
  Time now_ = hours(1000);
};

TEST(Patience, OneThatIsNewSleepsAtOnce) {
  Stream stream;
  EXPECT_EQ(stream.nothing(Time(0)), Time(0));
  EXPECT_EQ(stream.frames(1, microseconds(1)), Time(0));
}

TEST(Patience, FollowsTheTimesBetweenArrivals) {
  Stream stream;
  EXPECT_EQ(stream.frames(100, microseconds(10)), microseconds(20));
  EXPECT_NEAR(static_cast<double>(stream.expected().count()), 10'000, 100);
  EXPECT_EQ(stream.frames(100, microseconds(40)), Time(0));
  EXPECT_NEAR(static_cast<double>(stream.expected().count()), 40'000, 100);
}

// While one sleeps, what comes gathers: it is as frequent as it is many, or who slept once would sleep for
// ever.
TEST(Patience, WhatGatheredDuringASleepCameQuickly) {
  Stream stream;
  EXPECT_EQ(stream.frames(100, microseconds(60), 10), microseconds(20));
  EXPECT_NEAR(static_cast<double>(stream.expected().count()), 6'000, 100);
}

TEST(Patience, ASilenceEndsThePollingAndIsSoonForgotten) {
  Stream stream;
  ASSERT_EQ(stream.frames(100, microseconds(1)), microseconds(20));
  EXPECT_EQ(stream.frames(1, hours(10)), Time(0)) << "the first frame of the morning";
  EXPECT_EQ(stream.frames(10, microseconds(1)), microseconds(20));
}

TEST(Patience, ToBeWokenForNothingTeachesNothing) {
  Stream stream;
  ASSERT_EQ(stream.frames(100, microseconds(60)), Time(0));
  const Time before = stream.expected();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(stream.nothing(microseconds(1)), Time(0));
  EXPECT_EQ(stream.expected(), before);
}

TEST(Patience, NewRulesHoldAtOnce) {
  Stream quick;
  ASSERT_EQ(quick.frames(100, microseconds(1)), microseconds(20));
  Patience patience;
  patience.set({.mode = Mode::poll});
  EXPECT_EQ(patience.drained(Time(0)), kForever);
  patience.set({.mode = Mode::event});
  EXPECT_EQ(patience.drained(Time(0)), Time(0));
}

// What is paid a frame, in time that a processor is taken: on a stream with a rhythm hardly more than the
// cheaper of sleeping each time and polling each time.
class Regret : public testing::TestWithParam<int> {};
TEST_P(Regret, ARhythmCostsLittleMoreThanTheBetterChoice) {
  const Time gap = microseconds(GetParam()), cost = kCost20.wake_cost;
  Stream stream;
  Time polled = stream.frames(50, gap), paid{0}, best{0};
  for (int i = 0; i < 1000; ++i) {
    paid += polled >= gap ? gap : polled + cost;
    best += std::min(gap, cost);
    polled = stream.frames(1, gap);
  }
  EXPECT_LE(paid.count(), best.count() * 12 / 10);
}
INSTANTIATE_TEST_SUITE_P(Gaps, Regret, testing::Values(1, 5, 15, 20, 21, 25, 100, 1000));

TEST(WakeCost, IsTheMedianWithinLimits) {
  std::array<Time, 5> quiet{microseconds(12), microseconds(9), microseconds(10), microseconds(900),
                            microseconds(11)};
  EXPECT_EQ(wake_cost_of(quiet), microseconds(11));
  std::array<Time, 3> fast{Time(5), Time(5), Time(5)};
  EXPECT_EQ(wake_cost_of(fast), kLeastWakeCost);
  std::array<Time, 3> slow{hours(1), hours(1), hours(1)};
  EXPECT_EQ(wake_cost_of(slow), kMostWakeCost);
  EXPECT_EQ(wake_cost_of({}), kUsualWakeCost);
}

TEST(WakeCost, OfABusyMachineIsNotItsQueueForTheProcessor) {
  std::array<Time, 5> busy{microseconds(10), microseconds(4000), microseconds(4000), microseconds(4000),
                           microseconds(12)};
  EXPECT_EQ(wake_cost_of(busy), microseconds(30));
}

TEST(WakeCost, CanBeMeasuredHere) {
  const auto cost = measure_wake_cost();
  ASSERT_TRUE(cost) << cost.error().text;
  EXPECT_GE(*cost, kLeastWakeCost);
  EXPECT_LE(*cost, kMostWakeCost);
}

}  // namespace
}  // namespace hush::poll
