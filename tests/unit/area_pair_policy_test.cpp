// Both directions in one switch, and not more of them than the rules allow, whatever a guest does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "dom0/area/pair_policy.hpp"

namespace hush::dom0 {
namespace {

using area::DemandSample;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr Time kInterval = milliseconds(50);
constexpr std::uint32_t kKiB = 1024;
constexpr area::Sizes kShort{16 * kKiB, 16 * kKiB};

DemandSample bursts(std::uint64_t bytes, std::uint64_t stalls) {
  DemandSample sample;
  sample.bytes = bytes;
  sample.longest = 1514;
  sample.high_water = 16 * kKiB;
  sample.stalls = stalls;
  sample.bursts[static_cast<std::size_t>(std::bit_width(bytes)) - 1] = {2, 2 * bytes, bytes, stalls};
  return sample;
}
const DemandSample kCrowded = bursts(100 * kKiB, 30);  // wants 256 KiB

// A pair whose peer does at once what it is told, unless the test says otherwise.
class Pair {
 public:
  explicit Pair(const PairRules& rules = {}, area::Sizes begins_with = kShort)
      : policy(rules), in_use(begins_with) {}
  std::optional<PairDecision> ask(const DemandSample& tx, const DemandSample& rx) {
    now += kInterval;
    return policy.look(now, kInterval, tx, rx, in_use);
  }
  std::optional<PairDecision> look(const DemandSample& tx, const DemandSample& rx) {
    auto decision = ask(tx, rx);
    if (decision) follow(decision->next);
    return decision;
  }
  void follow(const area::Sizes& next) {
    in_use = next;
    policy.on_switched(now, next);
    ++switches;
  }
  // Looks until there is a decision; how long that took.
  Time until_asked(const DemandSample& tx, const DemandSample& rx, Time most = seconds(1000)) {
    const Time begun = now;
    while (!ask(tx, rx) && now - begun < most) {
    }
    return now - begun;
  }
  PairPolicy policy;
  area::Sizes in_use;
  Time now = std::chrono::hours(1000);
  int switches = 0;
};

TEST(PairPolicy, OneSwitchChangesBothDirections) {
  Pair pair;
  const auto decision = pair.look(kCrowded, bursts(700 * kKiB, 9));
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->next, (area::Sizes{256 * kKiB, 2048 * kKiB}));
  EXPECT_EQ(decision->reason,
            "guest_tx 16 -> 256 KiB: bursts of 100 KiB found no room 30 times; "
            "guest_rx 16 -> 2048 KiB: bursts of 700 KiB found no room 9 times");
}

// The answers to a load that grew grow a moment later: they need less of a reason.
TEST(PairPolicy, TheOtherDirectionComesAlong) {
  Pair pair;
  const auto decision = pair.look(kCrowded, bursts(20 * kKiB, 1));
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->next, (area::Sizes{256 * kKiB, 32 * kKiB}));
  EXPECT_FALSE(Pair().look({}, bursts(9 * kKiB, 1))) << "which is none of its own";
}

TEST(PairPolicy, OneThatMayShrinkSoonIsWaitedFor) {
  Pair pair({}, {1024 * kKiB, 1024 * kKiB});
  DemandSample full;
  full.high_water = 900 * kKiB;
  full.bytes = 1;
  (void)pair.look(full, full);
  for (int i = 0; i < 20; ++i) (void)pair.look({}, full);  // a second
  for (int i = 0; i < 20 * 20 && pair.switches == 0; ++i) (void)pair.look({}, {});
  EXPECT_EQ(pair.in_use, kShort);
  EXPECT_EQ(pair.switches, 1);
}

TEST(PairPolicy, ButNotForEver) {
  Pair pair({}, {1024 * kKiB, 1024 * kKiB});
  DemandSample full;
  full.high_water = 900 * kKiB;
  full.bytes = 1;
  for (int i = 0; i < 20 * 8; ++i) {
    // Every four seconds: may soon be shorter, and never is.
    (void)pair.look({}, i % 80 == 0 ? full : DemandSample{});
  }
  EXPECT_EQ(pair.in_use, (area::Sizes{16 * kKiB, 1024 * kKiB}));
}

TEST(PairPolicy, NothingIsDecidedWhileASwitchIsUnderWay) {
  Pair pair;
  ASSERT_TRUE(pair.ask(kCrowded, {}));
  EXPECT_EQ(pair.policy.pending(), (area::Sizes{256 * kKiB, 16 * kKiB}));
  EXPECT_EQ(pair.until_asked(kCrowded, kCrowded, seconds(100)), seconds(100));
}

TEST(PairPolicy, TheCooldownIsKept) {
  Pair pair;
  ASSERT_TRUE(pair.look(kCrowded, {}));
  EXPECT_EQ(pair.until_asked({}, kCrowded), seconds(1));
}

TEST(PairPolicy, WhatAnAdminSaysDoesNotWait) {
  PairRules rules;
  Pair pair(rules);
  ASSERT_TRUE(pair.look(kCrowded, {}));
  for (const std::uint32_t length : {512U, 64U, 1024U, 32U, 2048U, 128U}) {
    rules.guest_tx.fixed = length * kKiB;
    pair.policy.set(rules);
    ASSERT_TRUE(pair.look({}, {}));
    EXPECT_EQ(pair.in_use.guest_tx, length * kKiB);
  }
}

TEST(PairPolicy, APeerThatFailsIsAskedMoreAndMoreSeldom) {
  Pair pair;
  ASSERT_TRUE(pair.ask(kCrowded, {}));
  for (const int wait : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    pair.policy.on_failed(pair.now);
    EXPECT_EQ(pair.policy.pending(), std::nullopt);
    EXPECT_EQ(pair.until_asked(kCrowded, {}), seconds(wait));
  }
  pair.follow({256 * kKiB, 16 * kKiB});
  pair.now += seconds(5);
  (void)pair.until_asked(bursts(700 * kKiB, 30), {});
  pair.policy.on_failed(pair.now);
  EXPECT_EQ(pair.until_asked(bursts(700 * kKiB, 30), {}), seconds(1)) << "a success begins anew";
}

TEST(PairPolicy, AChangedRuleAsksAgain) {
  PairRules rules;
  Pair pair(rules);
  for (int i = 0; i < 9; ++i) {
    (void)pair.until_asked(kCrowded, {});
    pair.policy.on_failed(pair.now);
  }
  pair.policy.set(rules);
  EXPECT_FALSE(pair.ask(kCrowded, {})) << "none changed";
  rules.guest_tx.max = 8192 * kKiB;
  pair.policy.set(rules);
  EXPECT_TRUE(pair.ask(kCrowded, {}));
}

// A guest without memory, which follows as far as it can: nothing is gained by asking again at once.
TEST(PairPolicy, LessThanAskedCountsAsAFailure) {
  Pair pair;
  for (const int wait : {0, 1, 2, 4}) {
    const Time begun = pair.now;
    (void)pair.until_asked(bursts(700 * kKiB, 30), {});
    EXPECT_GE(pair.now - begun, seconds(wait));
    pair.follow({32 * kKiB, 16 * kKiB});
  }
}

TEST(PairPolicy, WhatWasPostponedMayBeAskedAtOnce) {
  Pair pair;
  ASSERT_TRUE(pair.ask(kCrowded, {}));
  pair.policy.on_postponed();
  EXPECT_TRUE(pair.ask(kCrowded, {}));
}

TEST(PairPolicy, ItsShareIsKept) {
  Pair pair;
  pair.policy.set_share({64 * kKiB, 64 * kKiB});
  ASSERT_TRUE(pair.look(kCrowded, {}));
  EXPECT_EQ(pair.in_use, (area::Sizes{64 * kKiB, 16 * kKiB}));
  EXPECT_EQ(pair.policy.wanted(pair.now), (area::Sizes{256 * kKiB, 16 * kKiB}));
  EXPECT_EQ(pair.policy.minimum(), kShort);
}

// Whatever a guest makes its rings look like: the limit is a number.
int most_switches(Time span, const PairRules& rules) {
  return kSwitchesInARow + static_cast<int>(span / (kCooldownsOfASwitch * rules.cooldown));
}

TEST(PairPolicy, AGuestThatWantsSwitchesGetsFew) {
  // It knows the rules: wants more at each look than it has, and as soon as it has all it is idle until that
  // is taken away.
  const PairRules rules{.guest_tx = {.shrink_after = milliseconds(200)},
                        .guest_rx = {.shrink_after = milliseconds(200)},
                        .cooldown = seconds(1)};
  Pair pair(rules);
  bool up = true;
  std::vector<Time> at;
  while (pair.now < std::chrono::hours(1000) + seconds(1000)) {
    if (pair.in_use.guest_tx == 4096 * kKiB) up = false;
    if (pair.in_use.guest_tx == 16 * kKiB) up = true;
    const auto sample = up ? bursts(pair.in_use.guest_tx, 100) : DemandSample{};
    if (pair.look(sample, sample)) at.push_back(pair.now);
  }
  EXPECT_GT(pair.switches, 20);
  EXPECT_LE(pair.switches, most_switches(seconds(1000), rules));
  for (std::size_t i = 1; i < at.size(); ++i) EXPECT_GE(at[i] - at[i - 1], rules.cooldown);
}

RC_GTEST_PROP(PairPolicy, NoTrafficMakesMoreSwitchesThanTheLimit, ()) {
  const PairRules rules{.guest_tx = {.shrink_after = milliseconds(*rc::gen::inRange(0, 500))},
                        .guest_rx = {.shrink_after = milliseconds(*rc::gen::inRange(0, 500))},
                        .cooldown = milliseconds(*rc::gen::inRange(100, 1000))};
  Pair pair(rules);
  for (int i = 0; i < 2000;) {
    const auto tx = bursts(*rc::gen::inRange<std::uint64_t>(1, 1U << 24), *rc::gen::inRange(0U, 20U));
    const auto rx = *rc::gen::arbitrary<bool>() ? tx : DemandSample{};
    for (int looks = *rc::gen::inRange(1, 50); looks > 0; --looks, ++i) {
      const Time before = pair.now;
      (void)pair.look(tx, rx);
      RC_ASSERT(pair.now - before == kInterval);
      RC_ASSERT(pair.switches <= most_switches(i * kInterval, rules));
    }
  }
}

}  // namespace
}  // namespace hush::dom0
