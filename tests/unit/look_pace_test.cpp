// Are looks at descriptors some 25 to 100 us apart, whatever a turn takes?
#include "common/event/look_pace.hpp"

#include <gtest/gtest.h>

namespace hush::event {
namespace {

using namespace std::chrono_literals;

// How far apart looks are once turns have taken so long for a while.
std::chrono::nanoseconds settled(LookPace& pace, std::chrono::nanoseconds turn) {
  static LookPace::Time now{1s};
  std::chrono::nanoseconds apart{};
  for (int look = 0; look < 32; ++look) {
    apart = turn * static_cast<int>(pace.turns());
    now += apart;
    pace.looks(now);
  }
  return apart;
}

TEST(LookPace, LooksKeepTheirDistance) {
  LookPace pace;
  for (const auto turn : {200ns, 1000ns, 3000ns, 4ns, 500ns, 11000ns}) {
    const auto apart = settled(pace, turn);
    EXPECT_GE(apart, LookPace::kSoon) << turn.count();
    EXPECT_LE(apart, LookPace::kLate) << turn.count();
  }
}

TEST(LookPace, NeverMoreThanItsBounds) {
  LookPace pace;
  EXPECT_EQ(pace.turns(), LookPace::kFewest);
  EXPECT_EQ(settled(pace, 1ns), 1ns * LookPace::kMost);
  EXPECT_EQ(settled(pace, 1ms), 1ms * LookPace::kFewest);
}

TEST(LookPace, WhatIsRightForShortFramesIsNotFarOffForLongOnes) {
  LookPace pace;
  settled(pace, 1ns);
  constexpr std::size_t kBatch = 64 * LookPace::kWeightOfFrame;
  EXPECT_LE(pace.turns() / kBatch, 32U) << "batches of 64 frames until the next look";
}

TEST(LookPace, QuietOnesHaveAThirtySecondOfTheTime) {
  LookPace pace;
  const LookPace::Time begin{1s};
  pace.looks(begin);
  pace.looks(begin + 80us);
  EXPECT_EQ(pace.quiet_turns(), 100U) << "of 20 to 25 ns each";
  pace.looks(begin + 80us + 799ns);
  EXPECT_EQ(pace.quiet_turns(), 0U);
}

}  // namespace
}  // namespace hush::event
