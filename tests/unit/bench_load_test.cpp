// What tools/bench/load counts with: when frames are due, and how long they took.
#include <gtest/gtest.h>

#include <cmath>

#include "tools/bench/area_programs/arrivals.hpp"
#include "tools/bench/area_programs/latencies.hpp"

namespace hush::bench {
namespace {

using namespace std::chrono_literals;
constexpr Clock::time_point kBegin{1000s};

TEST(BenchArrivals, EvenOnesAreAsFarApartAsTheRateSaysFractionsIncluded) {
  Arrivals arrivals(3e6, Spacing::even, kBegin, 1);  // 333.3 ns
  EXPECT_EQ(arrivals.due(), kBegin + 333ns);
  for (int i = 1; i < 3'000'000; ++i) arrivals.next();
  EXPECT_LE(kBegin + 1s - arrivals.due(), 1us);
  EXPECT_LE(arrivals.due(), kBegin + 1s);
}

TEST(BenchArrivals, ThoseOfManySendersHaveTheRateOnAverageAndAnySpacing) {
  Arrivals arrivals(1e4, Spacing::random, kBegin, 1);
  int short_ones = 0;
  constexpr int kFrames = 100'000;
  for (int i = 1; i < kFrames; ++i) {
    const auto before = arrivals.due();
    arrivals.next();
    ASSERT_GE(arrivals.due(), before);
    short_ones += arrivals.due() - before < 50us;
  }
  const double seconds = seconds_between(kBegin, arrivals.due());
  EXPECT_NEAR(seconds, kFrames / 1e4, 0.1);  // three standard deviations
  EXPECT_NEAR(short_ones / double{kFrames}, 1 - std::exp(-0.5), 0.005);
}

TEST(BenchArrivals, IdleHasNoneAndSaturationAlwaysOne) {
  EXPECT_EQ(Arrivals(0, Spacing::random, kBegin, 1).due(), Clock::time_point::max());
  Arrivals always(HUGE_VAL, Spacing::random, kBegin, 1);
  always.next();
  EXPECT_EQ(always.due(), kBegin);
}

TEST(BenchLatencies, PartsAreWithinTwoPercent) {
  Latencies latencies;
  EXPECT_FALSE(latencies.at(0.5));
  for (std::int64_t i = 1; i <= 1000; ++i) latencies.add(i * 1000, 1);
  EXPECT_NEAR(*latencies.at(0.5), 500e3, 10e3);
  EXPECT_NEAR(*latencies.at(0.99), 990e3, 19.8e3);
  EXPECT_NEAR(*latencies.at(0.999), 999e3, 20e3);
}

TEST(BenchLatencies, ABurstCountsAsManyAndWhatIsOutOfRangeAtTheEdge) {
  Latencies latencies;
  latencies.add(100, 98);
  latencies.add(-5, 1);
  latencies.add(1'000'000'000'000, 1);
  EXPECT_NEAR(*latencies.at(0.005), 10, 0.2);
  EXPECT_NEAR(*latencies.at(0.5), 100, 2);
  EXPECT_NEAR(*latencies.at(1), 99e9, 2e9);
}

}  // namespace
}  // namespace hush::bench
