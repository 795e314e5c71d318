// What an admin pins, from words; and what the control socket says of a profile.
#include "dom0/profile/profile_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hush::dom0 {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr WallTime kNow{seconds(1'800'000'000)};  // 2027-01-15T08:00:00Z

TEST(ProfileReport, APinIsReadFromWords) {
  const auto pin = read_pin("4", "32768", "8", kNow);
  ASSERT_TRUE(pin);
  EXPECT_EQ(pin->use, (RingUse{4096, 32U << 20, 8}));
  EXPECT_EQ(pin->at, kNow);
  EXPECT_EQ(read_pin("64", "64", "", kNow)->use.queues, 0U) << "nothing said of queues";
}

TEST(ProfileReport, APinThatMakesNoSenseIsSaid) {
  struct Case {
    const char *tx, *rx, *queues, *part;
  };
  for (const Case& c :
       {Case{"", "64", "", "tx=''"}, Case{"64", "", "", "rx=''"}, Case{"2", "64", "", "tx='2'"},
        Case{"65536", "64", "", "65536"}, Case{"64", "100", "", "power of two"}, Case{"-64", "64", "", "-64"},
        Case{"64k", "64", "", "64k"}, Case{"64", "18446744073709551680", "", "rx="},
        Case{"64", "64", "0", "queues='0'"}, Case{"64", "64", "9", "1 to 8"}}) {
    const auto pin = read_pin(c.tx, c.rx, c.queues, kNow);
    ASSERT_FALSE(pin) << c.tx << ' ' << c.rx << ' ' << c.queues;
    EXPECT_EQ(pin.error().code, EINVAL);
    EXPECT_THAT(pin.error().text, HasSubstr(c.part));
  }
}

TEST(ProfileReport, PinnedLearnedAndTooOldAreToldApart) {
  Profile profile;
  add(profile, {"vif3.0", 1}, {{4096, 8192, 2}, kNow - days(400), kNow - days(399), 7});
  EXPECT_TRUE(describe("web", profile, kNow)["recent"].is_null()) << "too old";
  add(profile, {"vif4.0", 2}, {{65536, 4096, 1}, kNow, kNow, 1});
  const auto line = describe("web", profile, kNow);
  EXPECT_EQ(line["workload"], "web");
  EXPECT_TRUE(line["pinned"].is_null());
  EXPECT_EQ(line["recent"]["guest_tx"], 65536);
  EXPECT_EQ(line["recent"]["peaks"], 1);
  EXPECT_EQ(line["peaks"], 2);
  EXPECT_EQ(line["observations"], 8);
  EXPECT_EQ(line["last_seen"], "2027-01-15T08:00:00Z");
  profile.pin = Pin{{4096, 4096, 0}, kNow};
  const auto all = describe_fully("web", profile, kNow);
  EXPECT_TRUE(all["pinned"]["queues"].is_null());
  EXPECT_EQ(all["pinned"]["at"], "2027-01-15T08:00:00Z");
  ASSERT_EQ(all["seen"].size(), 2U);
  EXPECT_EQ(all["seen"][0]["counts"], false);
  EXPECT_EQ(all["seen"][1]["counts"], true);
}

}  // namespace
}  // namespace hush::dom0
