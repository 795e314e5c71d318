// With which rings a vif begins: which source counts, what ages, what the limits do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <bit>

#include "common/area/layout.hpp"
#include "dom0/profile/first_size.hpp"

namespace hush::dom0 {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr std::uint32_t kKib = 1024;
constexpr SizeLimits kLimits{4 * kKib, 32768 * kKib, 20000, 8};

Profile learned(const std::vector<RingUse>& uses, WallTime last = kNow) {
  Profile profile;
  std::int64_t day = 0;
  for (const RingUse& use : uses) add(profile, {"vif3.0", ++day}, {use, last, last});
  return profile;
}

struct Case {
  const char* what;
  SizeSources sources;
  RingUse expected;
  const char* source;
};

TEST(FirstSize, TheStrongestSourceCountsAndIsNamed) {
  static const std::vector<RingUse> kOne{{64 * kKib, 128 * kKib, 2}};
  static const std::vector<RingUse> kSeveral{
      {64 * kKib, 128 * kKib, 2}, {1024 * kKib, 16 * kKib, 1}, {32 * kKib, 2048 * kKib, 1}};
  Profile pinned = learned({{8 * kKib, 8 * kKib, 1}});
  pinned.pin = Pin{{512 * kKib, 1024 * kKib, 3}, kNow - days(1000)};
  Profile pinned_sizes = pinned;
  pinned_sizes.pin->use.queues = 0;
  const auto old = learned({{8 * kKib, 8 * kKib, 1}}, kNow - kMaxAge - seconds(1));
  const auto just_young = learned({{8 * kKib, 16 * kKib, 1}}, kNow - kMaxAge);
  const Case cases[] = {
      {"nothing at all", {}, {256 * kKib, 256 * kKib, 8}, "the default: the vif has no workload"},
      {"a workload nobody knows",
       {{}, {}, "web", {}, {}},
       {256 * kKib, 256 * kKib, 8},
       "the default: nothing is known of web"},
      {"no workload, whatever is known",
       {{}, {}, "", pinned, kOne},
       {256 * kKib, 256 * kKib, 8},
       "no workload"},
      {"one running", {{}, {}, "web", {}, kOne}, {64 * kKib, 128 * kKib, 8}, "1 running vif of web"},
      {"several running",
       {{}, {}, "web", {}, kSeveral},
       {1024 * kKib, 2048 * kKib, 8},
       "3 running vifs of web"},
      {"learned is stronger than running",
       {{}, {}, "web", learned({{16 * kKib, 32 * kKib, 2}}), kOne},
       {16 * kKib, 32 * kKib, 4},
       "the profile of web: 90th percentile of 1 peak"},
      {"too old", {{}, {}, "web", old, kOne}, {64 * kKib, 128 * kKib, 8}, "running"},
      {"just young enough", {{}, {}, "web", just_young, kOne}, {8 * kKib, 16 * kKib, 2}, "profile"},
      {"pinned is stronger than learned, and does not age",
       {{}, {}, "web", pinned, kOne},
       {512 * kKib, 1024 * kKib, 3},
       "the profile of web: pinned"},
      {"pinned without queues", {{}, {}, "web", pinned_sizes, kOne}, {512 * kKib, 1024 * kKib, 8}, "pinned"},
      {"set is the strongest",
       {4096 * kKib, 8 * kKib, "web", pinned, kOne},
       {4096 * kKib, 8 * kKib, 3},
       "the setting area-tx"},
      {"each direction by itself",
       {{}, 8 * kKib, "web", pinned, {}},
       {512 * kKib, 8 * kKib, 3},
       "guest_tx: the profile of web: pinned; guest_rx: the setting area-rx"},
      {"set to no power of two", {5000, 4097, "", {}, {}}, {8 * kKib, 8 * kKib, 8}, "area-tx"},
  };
  for (const Case& c : cases) {
    const FirstSize size = first_size(c.sources, kLimits, kNow);
    EXPECT_EQ((RingUse{size.guest_tx, size.guest_rx, size.queues}), c.expected) << c.what;
    EXPECT_THAT(size.source, HasSubstr(c.source)) << c.what;
  }
}

TEST(FirstSize, OneOfTenPeaksIsNotFollowed) {
  std::vector<RingUse> uses(9, {64 * kKib, 64 * kKib, 1});
  uses.push_back({8192 * kKib, 8192 * kKib, 1});
  EXPECT_EQ(first_size({{}, {}, "web", learned(uses), {}}, kLimits, kNow).guest_tx, 64 * kKib);
  uses.push_back({8192 * kKib, 64 * kKib, 1});
  const FirstSize two_of_eleven = first_size({{}, {}, "web", learned(uses), {}}, kLimits, kNow);
  EXPECT_EQ(two_of_eleven.guest_tx, 8192 * kKib);
  EXPECT_EQ(two_of_eleven.guest_rx, 64 * kKib) << "each direction by itself";
}

TEST(FirstSize, QueuesAreNeverMoreThanAllowedAndLeaveRoomToGrow) {
  SizeLimits limits = kLimits;
  const auto queues = [&](Profile profile) {
    return first_size({{}, {}, "web", std::move(profile), {}}, limits, kNow).queues;
  };
  EXPECT_EQ(queues(learned({{4096, 4096, 1}})), 2U);
  EXPECT_EQ(queues(learned({{4096, 4096, 1}, {4096, 4096, 3}, {4096, 4096, 1}})), 6U) << "the most counts";
  EXPECT_EQ(queues(learned({{4096, 4096, 8}})), 8U);
  limits.max_queues = 1;
  EXPECT_EQ(queues(learned({{4096, 4096, 8}})), 1U);
  Profile pinned;
  pinned.pin = Pin{{4096, 4096, 6}, kNow};
  EXPECT_EQ(queues(pinned), 1U);
}

TEST(FirstSize, AnAreaKeepsToItsPages) {
  const auto of = [](std::uint32_t pages, std::uint32_t tx, std::uint32_t rx) {
    return first_size({tx, rx, "", {}, {}}, {4096, area::kMaxRing, pages, 8}, kNow);
  };
  // Header page and index page, then the rings.
  EXPECT_EQ(of(2 + 128, 256 * kKib, 256 * kKib).guest_tx, 256 * kKib) << "exactly fits";
  const FirstSize one_less = of(2 + 127, 256 * kKib, 256 * kKib);
  EXPECT_EQ(one_less.guest_tx, 128 * kKib);
  EXPECT_EQ(one_less.guest_rx, 256 * kKib);
  EXPECT_THAT(one_less.source, HasSubstr("cut to what is allowed"));
  EXPECT_EQ(of(4, 4096, 4096).guest_tx, 4096U) << "the smallest";
  const FirstSize none = of(3, 4096, 4096);
  EXPECT_EQ(none.guest_tx + none.guest_rx, 0U);
  EXPECT_THAT(none.source, HasSubstr("area-limit"));
}

RC_GTEST_PROP(FirstSize, WhatIsAdvisedIsAlwaysAnAreaWithinTheLimits, ()) {
  const auto ring = [] { return 4096U << *rc::gen::inRange(0, 14); };
  const std::uint32_t a = ring(), b = ring();
  const SizeLimits limits{std::min(a, b), std::max(a, b), *rc::gen::inRange(1U, 20000U),
                          *rc::gen::inRange(1U, 9U)};
  SizeSources sources;
  if (*rc::gen::arbitrary<bool>()) sources.set_tx = *rc::gen::inRange(1U, UINT32_MAX);
  if (*rc::gen::arbitrary<bool>()) sources.workload = "web";
  if (*rc::gen::arbitrary<bool>()) sources.profile = learned({{ring(), ring(), *rc::gen::inRange(1U, 9U)}});
  const FirstSize size = first_size(sources, limits, kNow);
  RC_ASSERT(size.queues >= 1U && size.queues <= limits.max_queues);
  if (size.guest_tx == 0) {
    RC_ASSERT(size.guest_rx == 0U);
    RC_ASSERT(area::header_of(1, limits.least_ring, limits.least_ring).pages > limits.most_pages);
    return;
  }
  for (const std::uint32_t bytes : {size.guest_tx, size.guest_rx})
    RC_ASSERT(std::has_single_bit(bytes) && bytes >= limits.least_ring && bytes <= limits.most_ring);
  auto header = area::header_of(1, size.guest_tx, size.guest_rx);
  std::fill_n(header.index_grefs.begin(), header.index_pages, area::kFirstGref);
  RC_ASSERT(!area::refusal(header, {}, header.pages, limits.most_pages));
}

TEST(Profile, TheDayOfAVifIsOnePeakWhateverTheOrder) {
  const Observation morning{"web", "vif3.0", kNow, {4096, 8192, 1}};
  const Observation noon{"web", "vif3.0", kNow + seconds(3600), {8192, 4096, 2}};
  EXPECT_EQ(key_of(morning), key_of(noon));
  EXPECT_NE(key_of(morning), key_of({"web", "vif3.0", kNow + days(1), {}}));
  const Peak a{morning.use, morning.at, morning.at}, b{noon.use, noon.at, noon.at};
  for (const Peak& peak : {merged(a, b), merged(b, a)}) {
    EXPECT_EQ(peak.use, (RingUse{8192, 8192, 2}));
    EXPECT_EQ(peak.first, morning.at);
    EXPECT_EQ(peak.last, noon.at);
    EXPECT_EQ(peak.observations, 2U);
  }
}

TEST(Profile, TheNewestPeaksAreKept) {
  Profile profile;
  for (std::int64_t day = 0; day < std::int64_t{kMaxPeaks} + 5; ++day)
    add(profile, {"vif3.0", day}, {{4096, 4096, 1}, WallTime(days(day)), WallTime(days(day))});
  EXPECT_EQ(profile.peaks.size(), kMaxPeaks);
  EXPECT_EQ(profile.peaks.begin()->first.day, 5);
}

TEST(Profile, P90IsOneOfTheValues) {
  EXPECT_EQ(p90({7}), 7U);
  EXPECT_EQ(p90({9, 1}), 9U);
  EXPECT_EQ(p90({10, 9, 8, 7, 6, 5, 4, 3, 2, 1}), 9U);
  EXPECT_EQ(p90(std::vector<std::uint32_t>(100, 3)), 3U);
}

}  // namespace
}  // namespace hush::dom0
