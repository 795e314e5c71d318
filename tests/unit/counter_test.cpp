// Does a counter count, and can another thread read it meanwhile?
#include "common/telemetry/counter.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace hush::telemetry {
namespace {

TEST(Counter, Adds) {
  Counter counter;
  EXPECT_EQ(counter.get(), 0U);
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.get(), 42U);
  counter.add(0xffff'ffffULL);
  EXPECT_EQ(counter.get(), 0xffff'ffffULL + 42) << "64 bits";
}

TEST(Counter, NeverGoesBackwardsForAReader) {
  constexpr std::uint64_t kAdds = 200'000;
  Counter counter;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kAdds; ++i) counter.add(3);
  });
  std::uint64_t last = 0, backwards = 0, torn = 0;
  while (last < 3 * kAdds) {
    const std::uint64_t now = counter.get();
    backwards += now < last;
    torn += now % 3 != 0;
    last = now;
  }
  writer.join();
  EXPECT_EQ(backwards, 0U);
  EXPECT_EQ(torn, 0U);
}

}  // namespace
}  // namespace hush::telemetry
