// Which value of a setting counts, where it came from, and what is said of one that makes no sense.
#include "xenstore/vif_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "xenstore/keys.hpp"

namespace hush::xenstore {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr VifId kVif{DomId{7}, 3};

Origin origin(const Resolved& resolved, const char* key) {
  return resolved.origins[static_cast<std::size_t>(find_setting(key) - vif_settings().data())];
}

TEST(VifSettings, WithNothingSaidTheDefaultsHold) {
  const Resolved r = resolve({});
  EXPECT_TRUE(r.complaints.empty());
  EXPECT_FALSE(r.values.rate.limited());
  EXPECT_EQ(r.values.max_queues, kMaxQueues);
  EXPECT_TRUE(r.values.offload_checksum && r.values.offload_segmentation && r.values.scatter_gather &&
              r.values.multicast_control);
  EXPECT_EQ(r.values.rx_stall_timeout, milliseconds(60000));
  EXPECT_EQ(r.values.rx_drain_timeout, milliseconds(10000));
  for (const auto& o : r.origins) EXPECT_EQ(o.path, kBuiltIn);
}

TEST(VifSettings, EachDefaultIsAValueAndEachNameStandsOnce) {
  std::set<std::string_view> names;
  for (const auto& setting : vif_settings()) {
    VifSettings into;
    EXPECT_TRUE(take(setting, setting.fallback, into)) << setting.name;
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_EQ(find_setting(setting.name), &setting);
    EXPECT_FALSE(setting.meaning.empty());
  }
}

TEST(VifSettings, TheStrongerPlaceCountsAndIsNamed) {
  const std::vector<Said> said{{key::kRate, "1000,50000", "hushring/default/rate"},
                               {key::kMaxQueues, "2", "hushring/default/max-queues"},
                               {key::kRate, "2000,50000", "hushring/vif/7/3/rate"}};
  const Resolved r = resolve(said);
  EXPECT_EQ(r.values.rate, (Rate{2000, microseconds(50000)}));
  EXPECT_EQ(origin(r, key::kRate).path, "hushring/vif/7/3/rate");
  EXPECT_EQ(origin(r, key::kRate).text, "2000,50000");
  EXPECT_EQ(r.values.max_queues, 2U);
  EXPECT_EQ(origin(r, key::kGrantBudget).path, kBuiltIn);
  EXPECT_TRUE(r.complaints.empty());
}

TEST(VifSettings, ABadValueIsSaidInOneLineAndTheNextPlaceCounts) {
  const std::vector<Said> said{{key::kMaxQueues, "2", "hushring/default/max-queues"},
                               {key::kMaxQueues, "many\nqueues", "hushring/mac/x/max-queues"}};
  const Resolved r = resolve(said);
  EXPECT_EQ(r.values.max_queues, 2U);
  EXPECT_EQ(origin(r, key::kMaxQueues).path, "hushring/default/max-queues");
  ASSERT_EQ(r.complaints.size(), 1U);
  EXPECT_EQ(r.complaints[0].path, "hushring/mac/x/max-queues");
  for (const char* part : {"hushring/mac/x/max-queues", "'many?queues'", "1 to 8", "remove"})
    EXPECT_THAT(r.complaints[0].line, HasSubstr(part));
  EXPECT_EQ(r.complaints[0].line.find('\n'), std::string::npos);
}

TEST(VifSettings, AWorkloadIsAShortTagOrNone) {
  const SettingInfo& setting = *find_setting(key::kWorkload);
  VifSettings into;
  for (const char* good : {"web", "Build-farm_2.eu", "x", ""}) {
    EXPECT_TRUE(take(setting, good, into)) << good;
    EXPECT_EQ(into.workload, good);
  }
  const std::string longest(kMaxWorkload, 'w');
  EXPECT_TRUE(take(setting, longest, into));
  for (const std::string& bad : {longest + "w", std::string("two words"), std::string("caf\xc3\xa9"),
                                 std::string("a/b"), std::string("a\0b", 3), std::string("'; DROP")}) {
    EXPECT_FALSE(take(setting, bad, into)) << bad;
    EXPECT_EQ(into.workload, longest) << "it stays as it was";
  }
  EXPECT_THAT(accepted(setting), HasSubstr("64"));
}

TEST(VifSettings, AMistypedNameIsSaid) {
  const Resolved r = resolve(std::vector<Said>{{"rte", "1,1", "hushring/default/rte"}});
  ASSERT_EQ(r.complaints.size(), 1U);
  EXPECT_THAT(r.complaints[0].line, HasSubstr("rx-stall-timeout")) << "it names those there are";
}

TEST(VifSettings, ValuesAtTheirLimits) {
  const auto takes = [](const char* key, std::string_view text) {
    VifSettings into;
    return take(*find_setting(key), text, into);
  };
  for (const char* good : {"25000,20000", "0,0", "1,0", "4294967295,60000000"})
    EXPECT_TRUE(takes(key::kRate, good)) << good;
  for (const char* bad : {"", ",", "25000", "25000,", ",20000", "0,20000", "1,60000001", "4294967296,1",
                          "-1,1", "1,1,1", " 1,1", "1;1", "0x10,5"})
    EXPECT_FALSE(takes(key::kRate, bad)) << bad;
  for (const char* good : {"1", "8"}) EXPECT_TRUE(takes(key::kMaxQueues, good)) << good;
  for (const char* bad : {"0", "9", "", "1 ", "+1"}) EXPECT_FALSE(takes(key::kMaxQueues, bad)) << bad;
  for (const char* bad : {"2", "on", "true", "", "-1"}) EXPECT_FALSE(takes(key::kScatterGather, bad)) << bad;
  EXPECT_TRUE(takes(key::kRxStallTimeout, "0"));
  EXPECT_TRUE(takes(key::kRxStallTimeout, "3600000"));
  EXPECT_FALSE(takes(key::kRxStallTimeout, "3600001"));
  for (const char* good : {"auto", "event", "poll"}) EXPECT_TRUE(takes(key::kPollMode, good)) << good;
  for (const char* bad : {"", "Auto", "0", "polls", "auto "}) EXPECT_FALSE(takes(key::kPollMode, bad)) << bad;
  for (const char* key : {key::kPollMin, key::kPollMax}) {
    for (const char* good : {"0", "1000000"}) EXPECT_TRUE(takes(key, good)) << good;
    for (const char* bad : {"1000001", "-1", "5us", ""}) EXPECT_FALSE(takes(key, bad)) << bad;
  }
}

TEST(VifSettings, ARingIsAPowerOfTwo) {
  for (const char* key : {key::kAreaMin, key::kAreaMax, key::kAreaTx, key::kAreaRx}) {
    const SettingInfo& setting = *find_setting(key);
    const bool may_be_none = setting.fallback == "0";
    VifSettings into;
    for (const char* good : {"4", "256", "32768"}) EXPECT_TRUE(take(setting, good, into)) << key << good;
    for (const char* bad : {"", "1", "2", "5", "48", "65536", "-4", "4K", "4294967296"})
      EXPECT_FALSE(take(setting, bad, into)) << key << bad;
    EXPECT_EQ(take(setting, "0", into), may_be_none) << key;
    EXPECT_EQ(accepted(setting),
              std::string("a power of two of KiB from 4 to 32768") + (may_be_none ? ", or 0" : ""));
  }
  EXPECT_EQ(RingSize{32768}.bytes(), 32U << 20);
}

TEST(AreaBudget, IsANumberOfMiB) {
  EXPECT_EQ(area_budget_path(), "hushring/area-budget");
  EXPECT_EQ(parse_area_budget("1"), 1U);
  EXPECT_EQ(parse_area_budget("1048576"), 1048576U);
  for (const char* bad : {"", "0", "-1", "1048577", "64M", "4294967297"})
    EXPECT_EQ(parse_area_budget(bad), std::nullopt) << bad;
}

TEST(VifSettings, ValuesArriveInTheirMembers) {
  const std::vector<Said> said{{key::kOffloadChecksum, "0", "a"},
                               {key::kOffloadSegmentation, "0", "a"},
                               {key::kScatterGather, "0", "a"},
                               {key::kMulticastControl, "0", "a"},
                               {key::kRxStallTimeout, "11", "a"},
                               {key::kRxDrainTimeout, "12", "a"},
                               {key::kGrantBudget, "1028", "a"},
                               {key::kMaxQueues, "3", "a"},
                               {key::kRate, "5,6", "a"},
                               {key::kAreaLimit, "640", "a"},
                               {key::kAreaStall, "13", "a"},
                               {key::kAreaMin, "8", "a"},
                               {key::kAreaMax, "512", "a"},
                               {key::kAreaTx, "64", "a"},
                               {key::kAreaRx, "128", "a"},
                               {key::kAreaShrinkAfter, "600", "a"},
                               {key::kAreaCooldown, "16", "a"},
                               {key::kPort, "echo", "a"},
                               {key::kPortFrame, "99", "a"},
                               {key::kPollMode, "event", "a"},
                               {key::kPollMin, "14", "a"},
                               {key::kPollMax, "15", "a"},
                               {key::kWire, "7", "a"},
                               {key::kPortBatch, "8", "a"},
                               {key::kWorkload, "web", "a"}};
  VifSettings expected;
  expected.rate = {5, microseconds(6)};
  expected.max_queues = 3;
  expected.offload_checksum = expected.offload_segmentation = expected.scatter_gather = false;
  expected.multicast_control = false;
  expected.rx_stall_timeout = milliseconds(11);
  expected.rx_drain_timeout = milliseconds(12);
  expected.grant_budget = 1028;
  expected.area_limit = 640;
  expected.area_stall = milliseconds(13);
  expected.area_min = {8};
  expected.area_max = {512};
  expected.area_tx = {64};
  expected.area_rx = {128};
  expected.area_shrink_after = milliseconds(600);
  expected.area_cooldown = milliseconds(16);
  expected.port = PortKind::echo;
  expected.port_frame = 99;
  expected.wire = 7;
  expected.poll_mode = poll::Mode::event;
  expected.poll_min = microseconds(14);
  expected.poll_max = microseconds(15);
  expected.port_batch = 8;
  expected.workload = "web";
  EXPECT_EQ(said.size(), kVifSettings);
  EXPECT_EQ(resolve(said).values, expected);
}

TEST(VifSettings, HowAnEndPolls) {
  VifSettings settings = resolve({}).values;
  EXPECT_EQ(polling(settings, microseconds(20)),
            (poll::Rules{poll::Mode::automatic, microseconds(0), microseconds(200), microseconds(20)}));
  settings.poll_mode = poll::Mode::poll;
  settings.poll_min = microseconds(3);
  settings.poll_max = microseconds(4);
  EXPECT_EQ(polling(settings, microseconds(5)),
            (poll::Rules{poll::Mode::poll, microseconds(3), microseconds(4), microseconds(5)}));
}

TEST(VifSettings, AFrontEndHasSomeOfItsOwn) {
  const std::vector<Said> said{{key::kPollMode, "event", "--poll-mode"},
                               {key::kPollMode, "poll", "device/vif/0/hushring/poll-mode"},
                               {key::kPollMax, "soon", "device/vif/0/hushring/poll-max"},
                               {key::kRate, "1,1", "device/vif/0/hushring/rate"}};
  const Resolved r = resolve_of_guest(said);
  EXPECT_EQ(r.values.poll_mode, poll::Mode::poll);
  EXPECT_FALSE(r.values.rate.limited());
  EXPECT_EQ(r.values.poll_max, microseconds(200));
  ASSERT_EQ(r.complaints.size(), 2U);
  for (const char* part : {"poll-max", "'soon'", "from 0 to 1000000", "remove"})
    EXPECT_THAT(r.complaints[0].line, HasSubstr(part));
  EXPECT_EQ(
      r.complaints[1].line,
      "device/vif/0/hushring/rate is not a setting of a front end and is ignored: remove it; there are: "
      "poll-mode, poll-min, poll-max");
}

// Whatever is said: never worse than a complaint, and a value is what the strongest good one says.
RC_GTEST_PROP(VifSettings, NeverABadValueNeverALostGoodOne, ()) {
  const auto key = rc::gen::element<std::string>(key::kRate, key::kMaxQueues, key::kScatterGather, "x");
  const auto text = rc::gen::element<std::string>("1", "0", "9", "4", "1,1", "", "1,1,", "\n");
  std::vector<Said> said;
  for (const auto& [k, t] :
       *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(rc::gen::pair(key, text)))
    said.push_back({k, t, "p" + std::to_string(said.size())});
  const Resolved r = resolve(said);
  std::size_t bad = 0;
  std::string best = kBuiltIn;
  for (const auto& s : said) {
    const auto* setting = find_setting(s.key);
    VifSettings scratch;
    const bool good = setting && take(*setting, s.text, scratch);
    bad += !good;
    if (good && s.key == key::kMaxQueues) best = s.path;
  }
  RC_ASSERT(r.complaints.size() == bad);
  RC_ASSERT(origin(r, key::kMaxQueues).path == best);
  RC_ASSERT(r.values.max_queues >= 1 && r.values.max_queues <= kMaxQueues);
}

TEST(VifSettings, WhatIsSwitchedOffIsNeitherOfferedNorUsed) {
  Features all;
  all.sg = all.gso_tcpv4 = all.gso_tcpv6 = all.ipv6_csum = all.rx_notify = all.multicast_control = true;
  VifSettings s;
  EXPECT_EQ(allowed(all, s), all);
  s.offload_segmentation = false;
  Features expected = all;
  expected.gso_tcpv4 = expected.gso_tcpv6 = false;
  EXPECT_EQ(allowed(all, s), expected);
  s = {};
  s.offload_checksum = false;
  expected.ipv4_csum = expected.ipv6_csum = false;
  EXPECT_EQ(allowed(all, s), expected) << "a segment leaves its checksum to the receiver";
  s = {};
  s.scatter_gather = false;
  expected = all;
  expected.sg = expected.gso_tcpv4 = expected.gso_tcpv6 = false;
  EXPECT_EQ(allowed(all, s), expected) << "a segment is larger than a slot";
  s = {};
  s.multicast_control = false;
  expected = all;
  expected.multicast_control = false;
  EXPECT_EQ(allowed(all, s), expected);
}

TEST(VifSettings, Places) {
  EXPECT_EQ(default_settings_path(), "hushring/default");
  EXPECT_EQ(vif_settings_path(kVif), "hushring/vif/7/3");
  EXPECT_EQ(own_settings_path(kVif), "backend/vif/7/3/hushring");
  EXPECT_EQ(mac_settings_path("00:16:3E:aa:00:01"), "hushring/mac/00-16-3e-aa-00-01");
  EXPECT_EQ(domain_settings_path("web-1_a"), "hushring/domain/web-1_a");
}

// xenstore allows [A-Za-z0-9-/_@] in a path.
TEST(VifSettings, AnyDomainNameIsOneNodeOfItsOwn) {
  EXPECT_EQ(domain_settings_path("web.example"), "hushring/domain/web@2eexample");
  EXPECT_EQ(domain_settings_path("a/../b"), "hushring/domain/a@2f@2e@2e@2fb");
  EXPECT_EQ(domain_settings_path("a@2eb"), "hushring/domain/a@402eb") << "not the node of a.b";
  EXPECT_EQ(domain_settings_path("\xc3\xa4"), "hushring/domain/@c3@a4");
}

TEST(VifSettings, Macs) {
  EXPECT_TRUE(is_mac("00:16:3e:AB:cd:01"));
  for (const char* bad : {"", "00:16:3e:ab:cd", "00-16-3e-ab-cd-01", "00:16:3e:ab:cd:0g",
                          "00:16:3e:ab:cd:01:", "00:16:3e:ab:cd01:"})
    EXPECT_FALSE(is_mac(bad)) << bad;
}

}  // namespace
}  // namespace hush::xenstore
