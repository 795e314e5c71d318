// hushctl's text: what a person sees of an answer, whole or from another version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tools/hushctl/print.hpp"
#include "tools/hushctl/rates.hpp"

namespace hush::hushctl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

template <class Print>
std::string printed(Print print, const json& data) {
  std::ostringstream out;
  print(out, data);
  return out.str();
}

const json kVif = json::parse(R"({"vif":"vif1.0","interface":"web0","domain":"web","domid":1,"handle":0,
  "backend_id":"0","backend_path":"/local/domain/0/backend/vif/1/0","mac":"00:16:3e:00:00:02","bridge":"xenbr0",
  "state":"Connected","connects":1,"mode":"netif","fault":"",
  "queues":[{"tx_ring_ref":8,"rx_ring_ref":9,"event_channel_tx":5,"event_channel_rx":6,"state":"serving","thread":1,
    "local_port_tx":11,"local_port_rx":12,
    "guest_tx":{"req_prod":100,"req_cons":99,"req_event":100,"rsp_prod":99,"rsp_event":98,"requests_waiting":1},
    "guest_rx":{"req_prod":256,"req_cons":7,"req_event":8,"rsp_prod":7,"rsp_event":8,"requests_waiting":249}}],
  "handshake":{"backend":"Connected","frontend":"Connected","hotplug_status":"connected"},
  "features":{"offered":{"sg":true},"frontend":{"sg":true},"in_use":{"sg":false}},
  "settings":[{"key":"scatter-gather","value":"0","unit":"","source":"hushring/default/scatter-gather",
    "acts":"at the next connect"}],
  "stalls":[{"vif":"vif1.0","queue":0,"since_ms":1500,"cause":"the guest posts no receive buffers"}]})");

TEST(HushctlPrint, ListHasTheColumnsOfXlAndItsOwn) {
  const std::string text = printed(print_list, json::array({kVif}));
  for (const char* part :
       {"Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-/rx-ring-ref", "BE-path", "interface",
        "queues", "mode", "fault", "vif1.0", "00:16:3e:00:00:02", "8/9", "5/6", "web0", "netif"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(HushctlPrint, ShowHasIndexesFeaturesSettingsAndStalls) {
  const std::string text = printed(print_show, kVif);
  for (const char* part : {"domain web (1)", "stalled for 1500 ms", "serving", "11/12", "249", "guest_rx",
                           "hushring/default/scatter-gather", "on", "off"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(HushctlPrint, ShowSaysWhatATakeOverFound) {
  json vif = kVif;
  EXPECT_EQ(printed(print_show, vif).find("went on"), std::string::npos) << "of an older daemon";
  json& inflight = vif["queues"][0]["inflight"];
  inflight = {{"began", "new"}, {"taken", 0},    {"sent", 0},
              {"answered", 0},  {"refused", ""}, {"not_kept", ""}};
  EXPECT_EQ(printed(print_show, vif).find("queue 0 went"), std::string::npos);
  inflight = {
      {"began", "by its file"}, {"taken", 12}, {"sent", 3}, {"answered", 5}, {"not_kept", "disk full"}};
  const std::string text = printed(print_show, vif);
  EXPECT_THAT(text,
              HasSubstr("queue 0 went on by its file: 12 requests in progress, 3 marked as sent; 5 just"));
  EXPECT_THAT(text, HasSubstr("queue 0 keeps no requests for a daemon after this one: disk full"));
  inflight = {{"began", "by its ring: file refused"}, {"refused", "its header is torn"}};
  EXPECT_THAT(printed(print_show, vif), HasSubstr("went on by its ring: file refused: its header is torn"));
}

TEST(HushctlPrint, ShowSaysWhereTheFirstSizeCameFrom) {
  json vif = kVif;
  EXPECT_EQ(printed(print_show, vif).find("workload"), std::string::npos) << "of an older daemon";
  vif["workload"] = "web";
  vif["first_size"] = {{"guest_tx", 524288U}, {"guest_rx", 65536U}, {"queues", 2}, {"source", "the default"}};
  EXPECT_THAT(
      printed(print_show, vif),
      HasSubstr(
          "workload web; first areas: guest_tx 512 KiB, guest_rx 64 KiB, up to 2 queues (the default)"));
}

TEST(HushctlPrint, ProfilesSayWhatCountsAndWhatIsWrong) {
  const json use{
      {"guest_tx", 65536U}, {"guest_rx", 4096U}, {"queues", nullptr}, {"at", "2027"}, {"peaks", 3}};
  const json seen{{"vif", "vif3.0"}, {"guest_tx", 65536U}, {"guest_rx", 4096U}, {"counts", false}};
  const json pinned{{"workload", "web"}, {"pinned", use}, {"recent", nullptr}, {"seen", json::array({seen})}};
  const json learned{{"workload", "mail"}, {"pinned", nullptr}, {"recent", use}};
  const json old{{"workload", "attic"}, {"pinned", nullptr}, {"recent", nullptr}};
  const std::string text =
      printed(print_profiles, {{"profiles", {pinned, learned, old}}, {"trouble", "the disk is full"}});
  for (const char* part :
       {"WORKLOAD", "web ", "pinned", "64 ", "learned", "too old to count", "the disk is full"})
    EXPECT_THAT(text, HasSubstr(part));
  const std::string one = printed(print_profile, pinned);
  for (const char* part :
       {"workload web", "pinned at 2027: guest_tx 64 KiB", "queues -", "vif3.0", "too old"})
    EXPECT_THAT(one, HasSubstr(part));
  EXPECT_THAT(printed(print_profile, learned), HasSubstr("learned from 3 recent peaks"));
}

TEST(HushctlPrint, ShowHasTheWordsOfAnAreaAndWhyOneIsRefused) {
  json vif = kVif;
  vif["mode"] = "area";
  vif["features"]["offered"]["hush_area"] = 1;
  json& queue = vif["queues"][0];
  queue["area"] = {{"generation", 1}, {"pages", 130}};
  const json ring{{"ring_bytes", 262144}, {"produced", 4711}, {"consumed", 4695},
                  {"bytes_waiting", 16},  {"mode_word", 39},  {"room_word", 0}};
  queue["guest_tx"] = queue["guest_rx"] = ring;
  const std::string text = printed(print_show, vif);
  for (const char* part :
       {"mode area", "mode word", "room word", "262144", "4711", "4695", "39", "version 1"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_EQ(text.find("refused"), std::string::npos);
  EXPECT_EQ(printed(print_show, vif).find("hops"), std::string::npos);
  vif["wire"] = {{"number", 7}, {"hops_woken", 3}, {"hops_saved", 90}};
  EXPECT_THAT(printed(print_show, vif), HasSubstr("wire 7: 3 hops woken, 90 saved\n"));
  vif["area_refused"] = "generation 0";
  EXPECT_THAT(printed(print_show, vif), HasSubstr("netif path: generation 0\n"));
}

TEST(HushctlPrint, HowAVifIsPolledAndWhatCameOfIt) {
  json vif = kVif;
  vif["polling"] = {{"mode", "auto"}, {"least_ns", 0}, {"most_ns", 200000}, {"wake_cost_ns", 14600}};
  vif["polls"] = {{"found", 30}, {"in_vain", 4}, {"sleeps", 5}, {"needless_events", 6}};
  const std::string text = printed(print_show, vif);
  EXPECT_THAT(text,
              HasSubstr("before a sleep polled: auto, 0 to 200 us; a sleep and wake-up costs 15 us here\n"));
  const char* polls = "polls that found something 30, in vain 4, sleeps 5, needless events 6\n";
  EXPECT_THAT(text, HasSubstr(polls));
  EXPECT_THAT(printed(print_stats, json::array({vif})), HasSubstr(polls));
}

TEST(HushctlPrint, WhatIsMissingIsADash) {
  EXPECT_THAT(printed(print_list, json::array({json::object()})), HasSubstr("-"));
  EXPECT_THAT(printed(print_show, json::object()), HasSubstr("-"));
  EXPECT_THAT(printed(print_change, json::object()), HasSubstr("-"));
  printed(print_stats, json::array({json::object()}));
  printed(print_list, json());
}

TEST(HushctlPrint, BatchSizesAndDropsThatCame) {
  const json vif = json::parse(R"({"vif":"vif1.0","state":"Connected",
    "guest_tx":{"packets":7,"batch_sizes":[3,0,1,0,0,0,0,0,2]},"guest_rx":{"batch_sizes":[0,0,0,0,0,0,0,0,0]},
    "ethtool":{"tx_frag_overflow":0},"drops":{"guest_tx":{"bad_size":4,"tap_refused":0},"guest_rx":{}}})");
  const std::string text = printed(print_stats, json::array({vif}));
  EXPECT_THAT(text, HasSubstr("1:3  4-7:1  256:2\n"));
  EXPECT_THAT(text, HasSubstr("guest_rx packets in a batch: -"));
  EXPECT_THAT(text, HasSubstr("guest_tx drops bad_size 4"));
  EXPECT_EQ(text.find("tap_refused"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("tx_frag_overflow 0"));
}

TEST(HushctlPrint, AChangeShowsValueAndSourceBeforeAndAfter) {
  const json answer = json::parse(R"({"path":"backend/vif/1/0/hushring/rate","was":null,"now":"1000,50000",
    "acts":"at once","vifs":[{"vif":"vif1.0","before":{"value":"0,0","source":"built in"},
    "after":{"value":"1000,50000","source":"backend/vif/1/0/hushring/rate"}}]})");
  const std::string text = printed(print_change, answer);
  EXPECT_THAT(text, HasSubstr("- -> 1000,50000 (acts at once)"));
  EXPECT_THAT(text, HasSubstr("vif1.0: 0,0 (built in) -> 1000,50000 (backend/vif/1/0/hushring/rate)"));
}

TEST(HushctlRates, ADifferenceASecond) {
  const auto vifs = [](int packets, int drops) {
    return json::array({{{"vif", "vif1.0"},
                         {"guest_tx", {{"packets", packets}, {"batch_sizes", {1, 2}}}},
                         {"drops", {{"guest_tx", {{"bad_size", drops}, {"tap_refused", 1}}}}}}});
  };
  const json result = rates(vifs(100, 0), vifs(300, 10), 2.0);
  ASSERT_EQ(result.size(), 1U);
  EXPECT_EQ(result[0]["guest_tx"]["packets"], 100.0);
  EXPECT_EQ(result[0]["drops"]["guest_tx"], 5.0);
  EXPECT_EQ(rates(vifs(300, 0), vifs(50, 0), 1.0)[0]["guest_tx"]["packets"], 50.0)
      << "a vif that was made again";
  EXPECT_TRUE(rates(json::array(), vifs(1, 1), 1.0).empty()) << "a vif that came only now has no rate yet";
}

TEST(Print, AreasAreALineEachWithWhyAndTheBudget) {
  const json rings{{"guest_tx", 262144U}, {"guest_rx", 1048576U}};
  json area{{"vif", "vif3.0"},
            {"queue", 1},
            {"generation", 4},
            {"bytes", 1318912U},
            {"in_use", rings},
            {"target", nullptr},
            {"wanted", rings},
            {"minimum", {{"guest_tx", 16384U}, {"guest_rx", 16384U}}},
            {"switches", 3},
            {"failures", 1},
            {"last_reason", "guest_rx 256 -> 1024 KiB: bursts of 700 KiB found no room 31 times"},
            {"pending_reason", ""},
            {"last_failure", ""}};
  json answer{
      {"areas", json::array({area})},
      {"budget", {{"bytes", 67108864U}, {"taken", 1318912U}, {"reserve", 1318912U}, {"source", "built in"}}}};
  std::string said = printed(print_areas, answer);
  EXPECT_THAT(said, HasSubstr("vif3.0  1      1288  256/1024   -       256/1024  16/16"));
  EXPECT_THAT(said, HasSubstr("found no room 31 times"));
  EXPECT_THAT(said, HasSubstr("1288 of 65536 KiB taken, 1288 kept for switches (budget: built in)"));
  answer["areas"][0]["last_failure"] = "no memory";
  EXPECT_THAT(printed(print_areas, answer), HasSubstr("no memory")) << "news first";
  answer["areas"][0]["target"] = rings;
  answer["areas"][0]["pending_reason"] = "guest_rx 1024 -> 256 KiB: idle";
  said = printed(print_areas, answer);
  EXPECT_THAT(said, HasSubstr("256/1024  256/1024"));
  EXPECT_THAT(said, HasSubstr("idle"));
}

}  // namespace
}  // namespace hush::hushctl
