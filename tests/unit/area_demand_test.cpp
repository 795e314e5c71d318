// What is counted of a direction: bursts, and where one has no end.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "common/area/demand.hpp"

namespace hush::area {
namespace {

constexpr Demand::Turn kNothing{.found_nothing = true};
Demand::Turn moved(std::uint32_t bytes, std::uint32_t waiting = 0, bool no_room = false) {
  return {.bytes = bytes, .frames = 1, .longest = bytes, .waiting = waiting, .no_room = no_room};
}

std::uint64_t count(const DemandSample& sample) {
  std::uint64_t sum = 0;
  for (const auto& of : sample.bursts) sum += of.count;
  return sum;
}

class Either : public testing::TestWithParam<Demand::End> {
 protected:
  Demand demand{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(End, Either, testing::Values(Demand::End::consumer, Demand::End::producer));

TEST_P(Either, CountsATurn) {
  demand.turn({.bytes = 3000, .frames = 2, .longest = 1500, .waiting = 4000});
  demand.turn({.bytes = 80, .frames = 1, .longest = 64, .waiting = 100, .no_room = true});
  const DemandSample sample = demand.sample();
  EXPECT_EQ(sample.bytes, 3080U);
  EXPECT_EQ(sample.frames, 3U);
  EXPECT_EQ(sample.longest, 1500U);
  EXPECT_EQ(sample.high_water, 4000U);
  EXPECT_EQ(sample.stalls, 1U);
  EXPECT_EQ(sample.idle_turns, 0U);
  EXPECT_EQ(demand.sample().bytes, 0U) << "it was taken";
}

TEST_P(Either, ABurstIsWhatPassesBetweenTwoTurnsThatFoundNothing) {
  demand.turn(moved(1000));
  demand.turn(moved(500));
  for (int i = 0; i < 3; ++i) demand.turn(kNothing);
  demand.turn(moved(100));
  demand.turn(kNothing);
  const DemandSample sample = demand.sample();
  EXPECT_EQ(sample.bursts[10].count, 1U);
  EXPECT_EQ(sample.bursts[10].longest, 1500U);
  EXPECT_EQ(sample.bursts[6].count, 1U);
  EXPECT_EQ(count(sample), 2U);
  EXPECT_EQ(sample.idle_turns, 4U);
  EXPECT_EQ(sample.saturated, 0U);
}

TEST_P(Either, ABurstGoesOnOverASample) {
  demand.turn(kNothing);
  demand.turn(moved(1000));
  EXPECT_EQ(count(demand.sample()), 0U);
  demand.turn(moved(1000));
  demand.turn(kNothing);
  EXPECT_EQ(demand.sample().bursts[10].longest, 2000U);
}

TEST_P(Either, WhatGoesOnThroughAnIntervalIsAStreamAndItsEndNoBurst) {
  demand.turn(moved(1000));
  EXPECT_EQ(demand.sample().saturated, 0U) << "it may have begun just now";
  for (int i = 0; i < 3; ++i) {
    demand.turn(moved(1000));
    EXPECT_EQ(demand.sample().saturated, 1U);
  }
  demand.turn(moved(7));
  demand.turn(kNothing);
  DemandSample sample = demand.sample();
  EXPECT_EQ(sample.saturated, 0U);
  EXPECT_EQ(count(sample), 0U);
  demand.turn(moved(7));
  demand.turn(kNothing);
  EXPECT_EQ(count(demand.sample()), 1U) << "the next one is a burst again";
}

TEST_P(Either, WhoSleepsThroughAnIntervalIsIdle) {
  demand.turn(moved(10));
  demand.turn(kNothing);
  (void)demand.sample();
  EXPECT_EQ(demand.sample().saturated, 0U);
  demand.turn(moved(10));
  EXPECT_EQ(demand.sample().saturated, 0U) << "it slept until now";
}

// The rate of a guest, or a full TAP, holds frames back: the ring is full, and no longer one helps.
TEST_P(Either, WhatIsHeldBackIsAStreamToo) {
  demand.turn(moved(10));
  (void)demand.sample();
  demand.turn({.waiting = 1000, .no_room = true});
  EXPECT_EQ(demand.sample().saturated, 1U);
}

TEST_P(Either, StallsAreThoseOfTheirBurst) {
  for (int i = 0; i < 5; ++i) demand.turn(moved(1000, 1000, true));
  demand.turn(moved(1500));
  EXPECT_EQ(demand.sample().stalls, 5U);
  demand.turn(moved(100));
  demand.turn(kNothing);
  const DemandSample sample = demand.sample();
  EXPECT_EQ(sample.stalls, 0U);
  EXPECT_EQ(sample.bursts[12].stalls, 5U) << "the burst of 6600 bytes";
}

// A ring of 1000 bytes, and a producer that sleeps each time that it is full: its consumer finds it full,
// then empty.
TEST(Demand, AConsumerThatDrainedAFullRingHasNotSeenTheEndOfABurst) {
  Demand demand(Demand::End::consumer);
  for (int i = 0; i < 9; ++i) {
    demand.turn(moved(600, 1000, true));
    demand.turn(moved(400, 400));
    for (int polled = 0; polled < 5; ++polled) demand.turn(kNothing);
  }
  demand.turn(moved(1000, 1000, true));
  demand.turn(moved(700, 700));
  demand.turn(kNothing);
  const DemandSample sample = demand.sample();
  ASSERT_EQ(count(sample), 1U);
  EXPECT_EQ(burst_percentile(sample, 95), 10'700U);
  EXPECT_EQ(sample.bursts[13].stalls, 10U);
}

TEST(Demand, AProducerKnowsTheEnd) {
  Demand demand(Demand::End::producer);
  demand.turn(moved(1000, 1000, true));
  demand.turn(kNothing);
  EXPECT_EQ(count(demand.sample()), 1U);
}

TEST(Demand, AProducerThatDoesNotComeBackHasEndedItsBurst) {
  Demand demand(Demand::End::consumer);
  demand.turn(moved(1000, 1000, true));
  demand.turn(kNothing);
  EXPECT_EQ(count(demand.sample()), 0U);
  EXPECT_EQ(count(demand.sample()), 1U);
  EXPECT_EQ(demand.sample().saturated, 0U);
}

TEST(Demand, APercentileGoesByBytes) {
  Demand demand(Demand::End::producer);
  const auto burst = [&](std::uint32_t bytes) {
    demand.turn(moved(bytes));
    demand.turn(kNothing);
  };
  for (int i = 0; i < 1000; ++i) burst(80);
  for (int i = 0; i < 10; ++i) burst(700'000);
  const DemandSample sample = demand.sample();
  EXPECT_EQ(burst_percentile(sample, 95), 700'000U);
  EXPECT_EQ(burst_percentile(sample, 1), 80U);
  EXPECT_EQ(burst_percentile({}, 95), 0U);
}

TEST(Demand, ALastClassHasWhatIsLonger) {
  Demand demand(Demand::End::producer);
  for (int i = 0; i < 40; ++i) demand.turn(moved(1U << 31));
  demand.turn(kNothing);
  EXPECT_EQ(demand.sample().bursts.back().longest, 40ULL << 31);
}

RC_GTEST_PROP(Demand, TwoSamplesAddUpToOne, ()) {
  Demand once(Demand::End::producer), twice(Demand::End::producer);
  DemandSample sum;
  const int turns = *rc::gen::inRange(0, 60);
  for (int i = 0; i < turns; ++i) {
    const Demand::Turn turn = *rc::gen::inRange(0, 3) == 0
                                  ? kNothing
                                  : moved(*rc::gen::inRange(1U, 100'000U), *rc::gen::inRange(0U, 100'000U),
                                          *rc::gen::arbitrary<bool>());
    once.turn(turn);
    twice.turn(turn);
    if (i == turns / 2 && turn.found_nothing) sum += twice.sample();  // elsewhere a stream may begin
  }
  sum += twice.sample();
  const DemandSample all = once.sample();
  RC_ASSERT(all.bytes == sum.bytes && all.frames == sum.frames && all.stalls == sum.stalls);
  RC_ASSERT(all.longest == sum.longest && all.high_water == sum.high_water);
  RC_ASSERT(count(all) == count(sum) && burst_percentile(all, 95) == burst_percentile(sum, 95));
}

}  // namespace
}  // namespace hush::area
