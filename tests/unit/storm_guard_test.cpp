// Does a storm of events cost little, and honest traffic nothing?
#include "common/event/storm_guard.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hush::event {
namespace {

using std::chrono::milliseconds;

TEST(StormGuard, AFewForNothingAreFree) {
  StormGuard guard;
  for (unsigned i = 0; i < StormGuard::kFree; ++i) EXPECT_EQ(guard.after_event(0).count(), 0) << i;
  EXPECT_EQ(guard.after_event(0), milliseconds(1));
}

TEST(StormGuard, DoublesUpToASecond) {
  StormGuard guard;
  for (unsigned i = 0; i < StormGuard::kFree; ++i) (void)guard.after_event(0);
  for (int wait = 1; wait <= 512; wait *= 2) EXPECT_EQ(guard.after_event(0), milliseconds(wait));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(guard.after_event(0), StormGuard::kLongest);
}

// H25: a minute of events flat out is some 80 of them.
TEST(StormGuard, AMinuteOfStormIsFewEvents) {
  StormGuard guard;
  milliseconds now{0};
  int events = 0;
  for (; now < std::chrono::minutes(1); ++events) now += guard.after_event(7) + std::chrono::milliseconds(0);
  EXPECT_LT(events, 80);
}

TEST(StormGuard, WorkEndsIt) {
  StormGuard guard;
  for (int i = 0; i < 20; ++i) (void)guard.after_event(0);
  EXPECT_EQ(guard.after_event(1).count(), 0);
  for (unsigned i = 0; i < StormGuard::kFree; ++i)
    EXPECT_EQ(guard.after_event(1).count(), 0) << "and is forgotten";
}

// H26: bursts of any size, each announced by an event, some of them already served by a poll when it is
// looked at.
TEST(StormGuard, HonestTrafficIsNeverPunished) {
  StormGuard guard;
  std::mt19937 random(1);
  std::uint64_t work = 0;
  for (int i = 0; i < 100000; ++i) {
    work += 1 + random() % 64;
    EXPECT_EQ(guard.after_event(work).count(), 0);
    if (random() % 8 == 0) {
      EXPECT_EQ(guard.after_event(work).count(), 0) << "one that a poll had served";
    }
  }
}

}  // namespace
}  // namespace hush::event
