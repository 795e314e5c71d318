// From what an admin sets to the rules of a pair.
#include <gtest/gtest.h>

#include "dom0/area/pair_rules.hpp"

namespace hush::dom0 {
namespace {

using std::chrono::milliseconds;
constexpr std::uint32_t kKiB = 1024;

TEST(PairRules, AreWhatAnAdminSets) {
  auto settings = xenstore::resolve({}).values;
  EXPECT_EQ(pair_rules(settings, {area::kMinRing, area::kMinRing}), PairRules{})
      << "the defaults are the same";
  settings.area_min = {32};
  settings.area_max = {1024};
  settings.area_rx = {64};
  settings.area_shrink_after = milliseconds(700);
  settings.area_cooldown = milliseconds(300);
  const SizeRules tx{
      .least = 4096, .min = 32 * kKiB, .max = 1024 * kKiB, .fixed = 0, .shrink_after = milliseconds(700)};
  SizeRules rx = tx;
  rx.least = 8192;
  rx.fixed = 64 * kKiB;
  EXPECT_EQ(pair_rules(settings, {4096, 8192}), (PairRules{tx, rx, milliseconds(300)}));
}

// What this end would refuse is not advised.
TEST(PairRules, StayBelowTheLimitOfAnArea) {
  auto settings = xenstore::resolve({}).values;
  settings.area_limit = 1032;  // two rings of 512 KiB, a page of header and one of index
  EXPECT_EQ(pair_rules(settings, {4096, 4096}).guest_tx.max, 512 * kKiB);
  settings.area_limit = 1028;
  EXPECT_EQ(pair_rules(settings, {4096, 4096}).guest_rx.max, 256 * kKiB);
}

}  // namespace
}  // namespace hush::dom0
