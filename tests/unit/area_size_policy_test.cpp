// Does a ring get the shortest length that does not stall, and no other reason to change than traffic?
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>

#include "dom0/area/size_policy.hpp"

namespace hush::dom0 {
namespace {

using area::DemandSample;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr Time kInterval = milliseconds(50);
constexpr std::uint32_t kKiB = 1024, kMiB = 1024 * kKiB;

TEST(Method, TheCandidateHasRoomForHalfAsMuchAgain) {
  EXPECT_EQ(candidate_length(0), 4 * kKiB);
  EXPECT_EQ(candidate_length(100 * kKiB), 256 * kKiB);
  EXPECT_EQ(candidate_length(170 * kKiB), 256 * kKiB);
  EXPECT_EQ(candidate_length(171 * kKiB), 512 * kKiB);
  EXPECT_EQ(candidate_length(UINT64_MAX), 128 * kMiB);
}

TEST(Method, TheDecision) {
  EXPECT_EQ(decided_length(64, 128, 512), 64U) << "below the length in use: the candidate";
  EXPECT_EQ(decided_length(128, 128, 512), 128U) << "from there to the threshold: the candidate";
  EXPECT_EQ(decided_length(512, 128, 512), 512U);
  EXPECT_EQ(decided_length(1024, 128, 512), 512U) << "above: the threshold";
}

TEST(Method, AStreamIsCountedInRecords) {
  EXPECT_EQ(stream_length(0, 0), 64 * kKiB);
  EXPECT_EQ(stream_length(64, 0), 64 * kKiB);
  EXPECT_EQ(stream_length(1514, 0), 256 * kKiB);
  EXPECT_EQ(stream_length(9014, 0), 256 * kKiB);
  EXPECT_EQ(stream_length(area::kMaxFrame, 0), kMiB);
  EXPECT_EQ(stream_length(UINT32_MAX, 0), kMiB) << "a sample of nonsense";
}

TEST(Method, AFastStreamHasWhatACacheHolds) {
  EXPECT_EQ(stream_length(64, kFast - 1), 64 * kKiB);
  EXPECT_EQ(stream_length(64, kFast), kMiB);
  EXPECT_EQ(stream_length(area::kMaxFrame, UINT64_MAX), kMiB);
}

// Samples as a direction would give them.
DemandSample bursts(std::uint64_t bytes, std::uint64_t count, std::uint64_t stalls,
                    std::uint32_t high_water = 0) {
  DemandSample sample;
  sample.bytes = bytes * count;
  sample.frames = sample.bytes / 1514 + 1;
  sample.longest = 1514;
  sample.high_water = high_water;
  sample.stalls = stalls;
  const auto digits = static_cast<std::size_t>(std::bit_width(bytes));
  sample.bursts[std::min(digits, area::kBurstClasses) - 1] = {count, bytes * count, bytes, stalls};
  return sample;
}
DemandSample stream(std::uint32_t frame, std::uint64_t stalls, std::uint32_t high_water) {
  DemandSample sample;
  sample.bytes = 5'000'000;  // 100 MB/s
  sample.frames = sample.bytes / frame;
  sample.longest = frame;
  sample.high_water = high_water;
  sample.stalls = stalls;
  sample.saturated = 1;
  return sample;
}

// A direction whose ring changes as soon as that is decided.
class Direction {
 public:
  explicit Direction(std::uint32_t length = 16 * kKiB, const SizeRules& rules = {})
      : policy(rules), length_(length) {}
  Decision look(const DemandSample& sample) {
    now_ += kInterval;
    Decision decision = policy.look(now_, kInterval, sample, length_);
    if (decision.cause == Decision::Cause::none) {
      EXPECT_EQ(decision.length, length_);
      EXPECT_EQ(decision.reason, "");
      return decision;
    }
    EXPECT_NE(decision.length, length_);
    EXPECT_NE(decision.reason, "");
    policy.on_switched(now_, length_, decision.length, decision.cause);
    length_ = decision.length;
    ++switches;
    return decision;
  }
  // Until the length changes; how long that took.
  Time until_switch(const DemandSample& sample, Time most = seconds(1000)) {
    const Time begun = now_;
    const int before = switches;
    while (switches == before && now_ - begun < most) (void)look(sample);
    return now_ - begun;
  }
  void run(const DemandSample& sample, Time span) {
    for (const Time end = now_ + span; now_ < end;) (void)look(sample);
  }
  [[nodiscard]] std::uint32_t length() const { return length_; }
  [[nodiscard]] std::uint32_t wanted() const { return policy.wanted(now_); }
  SizePolicy policy;
  int switches = 0;

 private:
  Time now_ = std::chrono::hours(1000);
  std::uint32_t length_;
};

TEST(SizePolicy, BurstsWithoutRoomGetItAtOnce) {
  Direction ring;
  const Decision decision = ring.look(bursts(700 * kKiB, 2, 31));
  EXPECT_EQ(decision.length, 2 * kMiB);
  EXPECT_EQ(decision.cause, Decision::Cause::stalls);
  EXPECT_EQ(decision.reason, "bursts of 700 KiB found no room 31 times");
}

TEST(SizePolicy, AHiccupIsNoReason) {
  Direction ring;
  EXPECT_EQ(ring.look(bursts(8 * kKiB, 5, kStallsToGrow - 1)).cause, Decision::Cause::none);
  EXPECT_EQ(ring.look(bursts(8 * kKiB, 5, 1)).length, 32 * kKiB) << "the window adds them up";
  Direction once;
  EXPECT_EQ(once.look(bursts(700 * kKiB, 1, 1)).cause, Decision::Cause::none);
  EXPECT_EQ(once.look(bursts(700 * kKiB, 1, 1)).length, 2 * kMiB) << "a long one twice is a habit";
}

TEST(SizePolicy, StallsAreForgottenAfterTheWindow) {
  Direction ring;
  for (int i = 0; i < 20; ++i) {
    (void)ring.look(bursts(8 * kKiB, 5, kStallsToGrow - 1));
    ring.run({}, kWindow + kWindow / 2);
  }
  EXPECT_EQ(ring.switches, 0);
}

TEST(SizePolicy, LongBurstsThatFitAreNoReason) {
  Direction ring(64 * kKiB);
  ring.run(bursts(60 * kKiB, 10, 0, 60 * kKiB), seconds(20));
  ring.run(bursts(700 * kKiB, 10, 0, 40 * kKiB), seconds(20));
  EXPECT_EQ(ring.switches, 0);
}

TEST(SizePolicy, MoreThanTheThresholdIsTheThreshold) {
  Direction ring;
  EXPECT_EQ(ring.look(bursts(3 * kMiB, 4, 100)).length, 4 * kMiB);
  ring.run(bursts(3 * kMiB, 4, 100), seconds(30));
  EXPECT_EQ(ring.switches, 1);
}

TEST(SizePolicy, ARingThatStallsIsTooShortWhateverItsBurstsSay) {
  Direction ring(256 * kKiB);
  EXPECT_EQ(ring.look(bursts(100 * kKiB, 5, 20)).length, 512 * kKiB);
}

TEST(SizePolicy, AStreamGetsItsRecordsAndNoMore) {
  Direction ring;
  const Decision decision = ring.look(stream(1514, 500, 16 * kKiB));
  EXPECT_EQ(decision.length, 256 * kKiB);
  EXPECT_EQ(decision.reason, "a stream of frames of up to 1514 bytes found no room 500 times");
  ring.run(stream(1514, 500, 256 * kKiB), seconds(60));
  EXPECT_EQ(ring.switches, 1) << "it stalls, for it is limited by its consumer";
}

TEST(SizePolicy, AStreamWithPausesIsOneToo) {
  Direction ring;
  EXPECT_EQ(ring.look(bursts(kStreamRings * 4 * kMiB, 1, 500)).length, 256 * kKiB);
}

TEST(SizePolicy, AFastStreamGetsWhatACoresCacheHolds) {
  Direction ring;
  DemandSample fast = stream(1514, 500, 16 * kKiB);
  fast.bytes = 200'000'000;
  fast.stalls = 0;
  const Decision decision = ring.look(fast);
  EXPECT_EQ(decision.length, kMiB);
  EXPECT_EQ(decision.reason, "a stream of 4000 MB/s");
  ring.run(fast, seconds(60));
  EXPECT_EQ(ring.switches, 1);
}

TEST(SizePolicy, PiecesOfAStreamAreOneToo) {
  Direction ring(256 * kKiB);
  // 600 MB/s, and a consumer that keeps up but for a hiccup now and then.
  ring.run(bursts(500 * kKiB, 60, 20, 256 * kKiB), seconds(60));
  EXPECT_EQ(ring.switches, 0);
  EXPECT_EQ(ring.look(bursts(500 * kKiB, 5, 20, 256 * kKiB)).length, kMiB) << "bursts";
}

TEST(SizePolicy, AStreamThatEndedIsNoReason) {
  Direction ring(256 * kKiB);
  (void)ring.look(stream(1514, 500, 256 * kKiB));
  DemandSample end = bursts(100, 3, 0, 256 * kKiB);
  end.stalls = 400;  // of the stream's end
  (void)ring.look(end);
  ring.run(bursts(100, 3, 0, 100), seconds(2));
  EXPECT_EQ(ring.switches, 0);
}

TEST(SizePolicy, ShrinksInOneSwitchAfterItsTime) {
  Direction ring(4 * kMiB);
  ring.run(bursts(2 * kMiB, 5, 0, 2 * kMiB), seconds(20));
  ASSERT_EQ(ring.length(), 4 * kMiB);
  const Time took = ring.until_switch(bursts(10 * kKiB, 5, 0, 10 * kKiB));
  EXPECT_GE(took, seconds(5));
  EXPECT_LE(took, seconds(6));
  EXPECT_EQ(ring.length(), 16 * kKiB);
}

TEST(SizePolicy, TheReasonOfAShrinkingSaysForHowLong) {
  Direction ring(4 * kMiB);
  std::string reason;
  while (reason.empty()) reason = ring.look(bursts(20 * kKiB, 5, 0, 20 * kKiB)).reason;
  EXPECT_EQ(reason, "32 KiB would have been enough for 5.0 s");
}

TEST(SizePolicy, ALongStreamThatGivesWayToShortFramesShrinks) {
  Direction ring(kMiB);
  ring.run(stream(area::kMaxFrame, 100, kMiB), seconds(10));
  ASSERT_EQ(ring.length(), kMiB);
  (void)ring.until_switch(stream(64, 900, kMiB));
  EXPECT_EQ(ring.length(), 64 * kKiB);
}

TEST(SizePolicy, OneMomentInBetweenKeepsIt) {
  Direction ring(4 * kMiB);
  for (int i = 0; i < 20; ++i) {
    ring.run({}, seconds(4));
    (void)ring.look(bursts(2 * kMiB, 1, 0, 2 * kMiB));
  }
  EXPECT_EQ(ring.switches, 0);
}

// What is left of the traffic comes down in steps: not a switch for each.
TEST(SizePolicy, WaitsForTheLastStepDown) {
  Direction ring(4 * kMiB);
  ring.run(bursts(2 * kMiB, 5, 0, 2 * kMiB), seconds(10));
  for (std::uint32_t high = kMiB; high > 8 * kKiB; high /= 2) ring.run(bursts(high, 2, 0, high), kInterval);
  EXPECT_LE(ring.until_switch({}), milliseconds(7500));
  EXPECT_EQ(ring.length(), 16 * kKiB);
}

TEST(SizePolicy, IdleIsTheShortest) {
  Direction ring(kMiB, {.min = 32 * kKiB});
  EXPECT_LE(ring.until_switch({}), seconds(6));
  EXPECT_EQ(ring.length(), 32 * kKiB);
  ring.run({}, seconds(100));
  EXPECT_EQ(ring.switches, 1);
}

TEST(SizePolicy, StallsOfTheRingBeforeAreNotThisOnes) {
  Direction ring;
  (void)ring.look(bursts(700 * kKiB, 2, 31));
  ASSERT_EQ(ring.length(), 2 * kMiB);
  (void)ring.look(bursts(1500 * kKiB, 9, 900));  // its last moments
  EXPECT_EQ(ring.switches, 1);
}

TEST(SizePolicy, WhatItWantsAfterItsTrafficIsNotWhereItRests) {
  Direction direction(kMiB);
  direction.look(bursts(600 * kKiB, 1, 0, 600 * kKiB));
  EXPECT_EQ(direction.policy.rests_at(), 16 * kKiB);
  EXPECT_EQ(SizePolicy({.fixed = 512 * kKiB}).rests_at(), 512 * kKiB);
}

TEST(SizePolicy, WhatAnAdminSaysCounts) {
  Direction ring;
  ring.policy.set({.fixed = kMiB});
  EXPECT_EQ(ring.look({}).reason, "set to 1024 KiB");
  EXPECT_EQ(ring.length(), kMiB);
  ring.run(bursts(3 * kMiB, 9, 900), seconds(10));
  ring.run({}, seconds(10));
  EXPECT_EQ(ring.switches, 1);
  ring.policy.set({.max = 512 * kKiB});
  EXPECT_THAT(ring.look({}).reason, HasSubstr("area-max is 512 KiB"));
  EXPECT_EQ(ring.length(), 512 * kKiB);
  ring.policy.set({.min = kMiB});
  EXPECT_THAT(ring.look({}).reason, HasSubstr("area-min is 1024 KiB"));
  EXPECT_EQ(ring.length(), kMiB);
}

TEST(SizePolicy, NoRingIsShorterThanItsFramesNeed) {
  const SizeRules rules{.least = 256 * kKiB, .min = 16 * kKiB, .max = 64 * kKiB, .fixed = 4 * kKiB};
  Direction ring(kMiB, rules);
  (void)ring.look({});
  EXPECT_EQ(ring.length(), 256 * kKiB);
  SizeRules by_traffic = rules;
  by_traffic.fixed = 0;
  Direction other(kMiB, by_traffic);
  (void)other.look({});
  EXPECT_EQ(other.length(), 256 * kKiB);
  EXPECT_EQ(other.policy.minimum(), 256 * kKiB);
}

TEST(SizePolicy, ItsShareIsKeptAndWhatItWantsIsKnown) {
  Direction ring;
  ring.policy.set_share(256 * kKiB);
  (void)ring.look(bursts(700 * kKiB, 2, 31));
  EXPECT_EQ(ring.length(), 256 * kKiB);
  EXPECT_EQ(ring.wanted(), 2 * kMiB);
  ring.policy.set_share(64 * kKiB);
  EXPECT_THAT(ring.look({}).reason, HasSubstr("share of the budget is 64 KiB"));
  ring.policy.set_share(1);
  (void)ring.look({});
  EXPECT_EQ(ring.length(), 16 * kKiB) << "but not below its minimum";
  ring.run({}, seconds(10));
  EXPECT_EQ(ring.wanted(), 16 * kKiB);
}

TEST(SizePolicy, ANewRingWantsWhatItHas) {
  Direction ring(256 * kKiB);
  (void)ring.look({});
  EXPECT_EQ(ring.wanted(), 256 * kKiB);
}

// A guest that sends its bursts whenever the ring has just become short.
TEST(SizePolicy, ALoadThatAlternatesDoesNotMakeItAlternate) {
  Direction ring;
  for (Time spent{0}; spent < seconds(1000);) {
    spent += ring.until_switch(bursts(700 * kKiB, 2, 31), seconds(1000) - spent);
    spent += ring.until_switch({}, seconds(1000) - spent);
  }
  // 5, 10, 20, 40 s, and then one each 80 s.
  EXPECT_LE(ring.switches, 2 * (4 + 1000 / 80 + 1));
}

TEST(SizePolicy, AMistakeIsForgottenByOneThatWasNone) {
  Direction ring;
  (void)ring.until_switch(bursts(700 * kKiB, 2, 31));
  (void)ring.until_switch({});
  (void)ring.until_switch(bursts(700 * kKiB, 2, 31));
  EXPECT_EQ(ring.policy.patience(), seconds(10));
  EXPECT_GE(ring.until_switch({}), seconds(10));
  ring.run({}, seconds(11));
  (void)ring.until_switch(bursts(700 * kKiB, 2, 31));
  EXPECT_EQ(ring.policy.patience(), seconds(5));
}

RC_GTEST_PROP(SizePolicy, StaysWithinItsBoundsWhateverIsCounted, ()) {
  const auto length = [] { return 4096U << *rc::gen::inRange(0, 14); };
  const SizeRules rules{.least = 4096U << *rc::gen::inRange(0, 7),
                        .min = length(),
                        .max = length(),
                        .fixed = *rc::gen::inRange(0, 4) == 0 ? length() : 0};
  Direction ring(length(), rules);
  if (*rc::gen::arbitrary<bool>()) ring.policy.set_share(length());
  for (int i = 0; i < 50; ++i) {
    DemandSample sample =
        bursts(*rc::gen::inRange<std::uint64_t>(1, 1ULL << 40), 1, *rc::gen::inRange(0U, 50U));
    sample.high_water = *rc::gen::arbitrary<std::uint32_t>();
    sample.longest = *rc::gen::arbitrary<std::uint32_t>();
    sample.saturated = *rc::gen::inRange(0U, 2U);
    (void)ring.look(sample);
    RC_ASSERT(std::has_single_bit(ring.length()));
    RC_ASSERT(ring.length() >= ring.policy.minimum());
    RC_ASSERT(ring.length() <= std::max({rules.least, rules.min, rules.max, rules.fixed}));
    RC_ASSERT(std::has_single_bit(ring.wanted()) && ring.wanted() >= ring.policy.minimum());
  }
}

}  // namespace
}  // namespace hush::dom0
