// The areas of a host stay within its budget at each moment, and nobody is stuck because of that.
#include <gtest/gtest.h>

#include <random>

#include "dom0/area/budget.hpp"

namespace hush::dom0 {
namespace {

constexpr std::uint32_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr area::Sizes kShort{16 * kKiB, 16 * kKiB};

Holding holding(const area::Sizes& wanted, const area::Sizes& in_use = kShort,
                const area::Sizes& minimum = kShort) {
  return {.in_use = area_bytes(in_use), .wanted = wanted, .minimum = minimum};
}

TEST(AreaBytes, AreThePagesOfTheSpecification) {
  EXPECT_EQ(area_bytes({4096, 4096}), 4U * 4096);
  EXPECT_EQ(area_bytes({32 * kMiB, 32 * kMiB}), 16401ULL * 4096);
}

TEST(LeastRing, HoldsTwoOfItsLongestFrames) {
  EXPECT_EQ(area::least_ring(1514), 4 * kKiB);
  EXPECT_EQ(area::least_ring(2032), 4 * kKiB);
  EXPECT_EQ(area::least_ring(2033), 8 * kKiB);
  EXPECT_EQ(area::least_ring(area::kMaxFrame), 256 * kKiB);
  for (std::uint32_t frame = 1; frame <= area::kMaxFrame; frame += 7)
    ASSERT_LE(frame, area::max_frame_of(area::least_ring(frame))) << frame;
}

TEST(Share, WhereThereIsEnoughEachGetsWhatItWants) {
  const std::vector<Holding> pairs{holding({kMiB, 64 * kKiB}), holding({4 * kMiB, 4 * kMiB}),
                                   holding(kShort)};
  const auto given = share(budget_of(256 * kMiB, pairs), pairs);
  for (std::size_t i = 0; i < pairs.size(); ++i) EXPECT_EQ(given[i], pairs[i].wanted);
}

TEST(Share, SixtyFourPairsOfWhichFourAreBusy) {
  for (const auto& [idle, busy] :
       {std::pair{kShort, area::Sizes{4 * kMiB, 4 * kMiB}},
        std::pair{area::Sizes{256 * kKiB, 256 * kKiB}, area::Sizes{kMiB, 2 * kMiB}}}) {
    std::vector<Holding> pairs(64, holding(idle, idle, idle));
    for (std::size_t i = 0; i < 4; ++i) pairs[16 * i].wanted = busy;
    const Budget budget = budget_of(64 * kMiB, pairs);
    const auto given = share(budget, pairs);
    for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(given[i], i % 16 == 0 ? busy : idle);
    // And they come to it, one after the other.
    for (std::size_t i = 0; i < 64; i += 16) {
      EXPECT_TRUE(may_switch(budget, pairs, i, busy));
      pairs[i].in_use = area_bytes(busy);
    }
  }
}

TEST(Share, IsInProportionToNeed) {
  const std::vector<Holding> pairs{holding({4 * kMiB, 16 * kKiB}), holding({kMiB, 16 * kKiB}),
                                   holding({256 * kKiB, 16 * kKiB})};
  const auto given = share({2 * kMiB + 768 * kKiB, 0}, pairs);
  EXPECT_EQ(given[0].guest_tx, 2 * kMiB);
  EXPECT_EQ(given[1].guest_tx, 512 * kKiB);
  EXPECT_EQ(given[2].guest_tx, 128 * kKiB) << "the same part of each";
  EXPECT_EQ(given[0].guest_rx, 16 * kKiB);
}

TEST(Share, WhatIsLeftGoesWhereMostIsLacking) {
  const std::vector<Holding> pairs{holding({kMiB, 16 * kKiB}), holding({4 * kMiB, 16 * kKiB}),
                                   holding({kMiB, 16 * kKiB})};
  const auto given = share({5 * kMiB + 512 * kKiB, 0}, pairs);
  EXPECT_EQ(given[1].guest_tx, 4 * kMiB);
  EXPECT_EQ(given[0].guest_tx, 512 * kKiB);
  EXPECT_EQ(given[2].guest_tx, 512 * kKiB);
}

TEST(Share, NobodyGetsLessThanItsMinimum) {
  const std::vector<Holding> pairs(64, holding({kMiB, kMiB}));
  for (const auto& given : share({kMiB, 0}, pairs)) EXPECT_EQ(given, kShort) << "even where that is too much";
  const std::vector<Holding> modest{holding({4096, 4096})};
  EXPECT_EQ(share({kMiB, 0}, modest)[0], kShort);
}

TEST(MaySwitch, BothAreasCount) {
  // 10 MiB: one of two rings of 1 MiB is in use, and as much of another pair.
  std::vector<Holding> pairs(4, holding({kMiB, kMiB}, {kMiB, kMiB}));
  const Budget budget{10 * kMiB, 0};
  EXPECT_FALSE(may_switch(budget, pairs, 0, {2 * kMiB, kMiB})) << "8 MiB are taken, and 3 more are needed";
  EXPECT_TRUE(may_switch(budget, pairs, 0, {512 * kKiB, kMiB}));
  pairs[1].under_way = area_bytes({512 * kKiB, 512 * kKiB});
  EXPECT_FALSE(may_switch(budget, pairs, 0, {512 * kKiB, 512 * kKiB})) << "another one is under way";
  EXPECT_FALSE(may_switch({100 * kMiB, 0}, pairs, 1, kShort)) << "one at a time";
}

TEST(MaySwitch, AGrowthLeavesTheReserve) {
  const std::vector<Holding> pairs(2, holding({4 * kMiB, 4 * kMiB}));
  EXPECT_TRUE(may_switch({16 * kMiB, 4 * kMiB}, pairs, 0, {4 * kMiB, 4 * kMiB}));
  EXPECT_FALSE(may_switch({16 * kMiB, 8 * kMiB}, pairs, 0, {4 * kMiB, 4 * kMiB}));
}

TEST(MaySwitch, ABudgetThatWasLoweredIsReachedOneByOne) {
  std::vector<Holding> pairs(4, holding({kMiB, kMiB}, {kMiB, kMiB}));
  const Budget budget{4 * kMiB, kMiB};
  EXPECT_TRUE(may_switch(budget, pairs, 0, {512 * kKiB, 512 * kKiB}));
  EXPECT_FALSE(may_switch(budget, pairs, 0, {kMiB, 2 * kMiB}));
  pairs[0].under_way = area_bytes({512 * kKiB, 512 * kKiB});
  EXPECT_FALSE(may_switch(budget, pairs, 1, {512 * kKiB, 512 * kKiB}));
}

// Within the budget again, but so full that no second area has room: one goes down to its minimum even so.
TEST(MaySwitch, NobodyIsStuckInAFullHost) {
  std::vector<Holding> pairs(4, holding({kMiB, kMiB}, {kMiB, kMiB}));
  const Budget full{taken(pairs) + 4096, kMiB};
  EXPECT_FALSE(may_switch(full, pairs, 0, {512 * kKiB, kMiB}));
  EXPECT_TRUE(may_switch(full, pairs, 0, kShort));
  EXPECT_FALSE(may_switch(full, pairs, 0, {kMiB, 2 * kMiB}));
  pairs[1].under_way = 4096;
  EXPECT_FALSE(may_switch(full, pairs, 0, kShort));
}

TEST(Fitting, IsTheLargestThatThereIsRoomFor) {
  const std::vector<Holding> pairs{holding({4 * kMiB, 4 * kMiB}, kShort), holding(kShort)};
  EXPECT_EQ(fitting({20 * kMiB, 0}, pairs, 0, {4 * kMiB, 4 * kMiB}, kShort),
            (area::Sizes{4 * kMiB, 4 * kMiB}));
  EXPECT_EQ(fitting({7 * kMiB, 0}, pairs, 0, {4 * kMiB, 4 * kMiB}, kShort),
            (area::Sizes{2 * kMiB, 4 * kMiB}));
  EXPECT_EQ(fitting({7 * kMiB, 0}, pairs, 0, {4 * kMiB, 4 * kMiB}, {4 * kMiB, 4 * kMiB}), std::nullopt);
}

TEST(RoomForNew, ANewPairGetsWhatThereIs) {
  const std::vector<Holding> pairs{holding({kMiB, kMiB}, {kMiB, kMiB})};
  EXPECT_EQ(room_for_new({16 * kMiB, kMiB}, pairs, {2 * kMiB, 2 * kMiB}, kShort),
            (area::Sizes{2 * kMiB, 2 * kMiB}));
  EXPECT_EQ(room_for_new({4 * kMiB, kMiB}, pairs, {2 * kMiB, 2 * kMiB}, kShort),
            (area::Sizes{256 * kKiB, 512 * kKiB}));
  EXPECT_EQ(room_for_new({2 * kMiB + 100 * kKiB, kMiB}, pairs, {2 * kMiB, 2 * kMiB}, kShort), kShort)
      << "its minimum, out of the reserve";
  EXPECT_EQ(room_for_new({2 * kMiB + 60 * kKiB, kMiB}, pairs, {2 * kMiB, 2 * kMiB}, kShort), std::nullopt)
      << "but nobody could move then";
}

TEST(BudgetOf, KeepsAReserveForTheLargestOrAQuarter) {
  const std::vector<Holding> pairs{holding({2 * kMiB, kMiB}), holding({kMiB, kMiB})};
  EXPECT_EQ(budget_of(64 * kMiB, pairs).reserve, area_bytes({2 * kMiB, kMiB}));
  EXPECT_EQ(budget_of(8 * kMiB, pairs).reserve, 2 * kMiB);
  EXPECT_EQ(budget_of(1, pairs).reserve, area_bytes(kShort));
  EXPECT_EQ(budget_of(64 * kMiB, {}).reserve, 0U);
}

// Random hosts, from fixed seeds.
class RandomHost : public testing::TestWithParam<unsigned> {
 protected:
  std::uint32_t length(std::uint32_t from, std::uint32_t upto) {
    std::uint32_t length = from;
    while (length < upto && below(3) != 0) length *= 2;
    return length;
  }
  area::Sizes wish() { return {length(16 * kKiB, 8 * kMiB), length(16 * kKiB, 8 * kMiB)}; }
  area::Sizes minimum() { return below(4) == 0 ? area::Sizes{64 * kKiB, 32 * kKiB} : kShort; }
  std::size_t below(std::size_t limit) { return random_() % limit; }

 private:
  std::mt19937 random_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Seeds, RandomHost, testing::Range(0U, 12U));

TEST_P(RandomHost, SharesAreWithinTheBudgetAndGoWithNeed) {
  std::vector<Holding> pairs;
  for (std::size_t i = 0, count = 1 + below(20); i < count; ++i)
    pairs.push_back(holding(wish(), kShort, minimum()));
  const Budget budget = budget_of((4 + below(60)) * kMiB, pairs);
  const auto given = share(budget, pairs);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    sum += area_bytes(given[i]);
    for (const auto ring : {&area::Sizes::guest_tx, &area::Sizes::guest_rx}) {
      EXPECT_TRUE(std::has_single_bit(given[i].*ring));
      EXPECT_GE(given[i].*ring, pairs[i].minimum.*ring);
      EXPECT_LE(given[i].*ring, std::max(pairs[i].wanted.*ring, pairs[i].minimum.*ring));
    }
  }
  EXPECT_LE(sum + budget.reserve, budget.bytes);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    auto more = pairs;
    more[i].wanted.guest_rx *= 2;
    EXPECT_GE(share(budget, more)[i].guest_rx, given[i].guest_rx) << "pair " << i << " wants more";
  }
}

// Pairs come, go, want other lengths, begin and end switches, in any order: the total is checked at each
// step.
TEST_P(RandomHost, IsNeverOverItsBudgetAndNeverStuck) {
  struct Live {
    area::Sizes in_use;
    std::optional<area::Sizes> next;
  };
  std::vector<Holding> pairs;
  std::vector<Live> lives;
  const std::uint64_t bytes = (4 + below(60)) * kMiB;
  int switches = 0;
  const auto begin = [&](std::size_t i, const area::Sizes& next) {
    lives[i].next = next;
    pairs[i].under_way = area_bytes(next);
    ++switches;
  };
  const auto end = [&](std::size_t i, bool well) {
    if (!lives[i].next) return;
    if (well) lives[i].in_use = *lives[i].next;
    pairs[i].in_use = area_bytes(lives[i].in_use);
    pairs[i].under_way = 0;
    lives[i].next.reset();
  };
  for (int step = 0; step < 2000; ++step) {
    const Budget budget = budget_of(bytes, pairs);
    const std::size_t i = pairs.empty() ? 0 : below(pairs.size());
    switch (pairs.empty() ? 0 : below(8)) {
      case 0: {
        const area::Sizes wanted = wish(), least = minimum();
        if (const auto first = room_for_new(budget, pairs, wanted, least)) {
          pairs.push_back(holding(wanted, *first, least));
          lives.push_back({*first, std::nullopt});
        }
        break;
      }
      case 1:
        if (below(4) == 0) {
          pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(i));
          lives.erase(lives.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
          pairs[i].wanted = wish();
        }
        break;
      case 2:
      case 3:
        end(i, below(5) != 0);
        break;
      default: {
        const area::Sizes next = share(budget, pairs)[i];
        if (next != lives[i].in_use && may_switch(budget, pairs, i, next)) begin(i, next);
      }
    }
    ASSERT_LE(taken(pairs), bytes) << "step " << step;
  }
  EXPECT_GT(switches, 20);
  // Nothing more changes: all come to their shares.
  for (std::size_t i = 0; i < pairs.size(); ++i) end(i, true);
  for (bool moved = true; moved;) {
    moved = false;
    const Budget budget = budget_of(bytes, pairs);
    const auto shares = share(budget, pairs);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      // Down to the share or, where there is no room for so much, further; up when there is room.
      const bool over = area_bytes(shares[i]) < pairs[i].in_use;
      const auto next =
          over ? fitting(budget, pairs, i, shares[i], pairs[i].minimum) : std::optional(shares[i]);
      if (!next || *next == lives[i].in_use || !may_switch(budget, pairs, i, *next)) {
        EXPECT_FALSE(over && !next) << "pair " << i << " has more than its share and cannot move";
        continue;
      }
      begin(i, *next);
      ASSERT_LE(taken(pairs), bytes);
      end(i, true);
      moved = true;
      break;
    }
  }
  const auto shares = share(budget_of(bytes, pairs), pairs);
  for (std::size_t i = 0; i < pairs.size(); ++i) EXPECT_LE(pairs[i].in_use, area_bytes(shares[i]));
}

// The same after an admin has lowered the budget: it only goes down, a second area aside, and comes to its
// end.
TEST_P(RandomHost, ALoweredBudgetIsReached) {
  std::vector<Holding> pairs;
  std::vector<area::Sizes> in_use;
  for (int i = 0; i < 10; ++i) {
    in_use.push_back(wish());
    pairs.push_back(holding(wish(), in_use.back()));
  }
  const std::uint64_t bytes = 2 * kMiB;
  for (int step = 0; taken(pairs) + budget_of(bytes, pairs).reserve > bytes; ++step) {
    ASSERT_LT(step, 100) << "it is stuck";
    const Budget budget = budget_of(bytes, pairs);
    const auto shares = share(budget, pairs);
    bool moved = false;
    for (std::size_t i = 0; i < pairs.size() && !moved; ++i) {
      if (area_bytes(shares[i]) >= pairs[i].in_use) continue;
      const auto next = fitting(budget, pairs, i, shares[i], kShort);
      if (!next) continue;
      pairs[i].in_use = area_bytes(*next);
      moved = true;
    }
    ASSERT_TRUE(moved);
  }
}

}  // namespace
}  // namespace hush::dom0
