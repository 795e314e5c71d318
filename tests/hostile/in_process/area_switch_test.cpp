// What passes for a word on the next area (xenstore/area_switch.hpp)? The other end writes anything there.
#include "xenstore/area_switch.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_xen/world.hpp"

namespace hush {
namespace {

constexpr char kDirectory[] = "device/vif/0";

class AreaSwitchKeys : public ::testing::Test {
 protected:
  AreaSwitchKeys() { test::FakeXen::get().reset(); }
  ~AreaSwitchKeys() override {
    store_.reset();
    test::FakeXen::get().reset();
  }
  void say(const char* key, const std::string& text) {
    test::FakeXen::get().write(std::string(kDirectory) + "/" + key, text);
  }
  auto offer() { return xenstore::read_area_offer(store_->view(), kDirectory); }
  auto target() { return xenstore::read_area_target(store_->view(), kDirectory); }
  auto declined() { return xenstore::read_area_declined(store_->view(), kDirectory); }
  auto reply() { return xenstore::read_area_reply(store_->view(), kDirectory); }

  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_ = *xenstore::Client::open(loop_);
};

// Three numbers, and the first is not 0.
const std::string kNotThree[] = {"",
                                 " ",
                                 "1",
                                 "1 2",
                                 "1 2 ",
                                 " 1 2 3",
                                 "1 2 3 ",
                                 "1  2 3",
                                 "1 2 3 4",
                                 "1 2 3\n",
                                 "1\t2\t3",
                                 "1,2,3",
                                 "one two three",
                                 "-1 2 3",
                                 "1 -2 3",
                                 "1 2 -3",
                                 "+1 2 3",
                                 "0 2 3",
                                 "00 2 3",
                                 "0x1 2 3",
                                 "1.0 2 3",
                                 "1 2 1e3",
                                 "4294967296 2 3",
                                 "1 4294967296 3",
                                 "1 2 4294967296",
                                 "1 2 99999999999999999999999999",
                                 std::string("1 2 3\0", 6),
                                 std::string("1\0002 3", 5),
                                 std::string(2000, '1'),
                                 std::string(2000, ' ')};

TEST_F(AreaSwitchKeys, AnOfferIsThreeNumbers) {
  ASSERT_TRUE(offer());
  EXPECT_FALSE(*offer()) << "there is none";
  for (const std::string& text : kNotThree) {
    say("hush-area-offer", text);
    const auto read = offer();
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().text, "device/vif/0/hush-area-offer is not 'GENERATION REF PAGES'");
  }
  say("hush-area-offer", "4294967295 4294967295 4294967295");
  ASSERT_TRUE(offer() && *offer());
  EXPECT_EQ((*offer())->generation, UINT32_MAX);
  EXPECT_EQ((*offer())->address.pages, UINT32_MAX);
  say("hush-area-offer", "2 0 0");
  ASSERT_TRUE(offer() && *offer()) << "what they mean is for the one who maps";
  EXPECT_EQ((*offer())->generation, 2U);
}

TEST_F(AreaSwitchKeys, AnAdviceIsThreeNumbers) {
  ASSERT_TRUE(target());
  EXPECT_FALSE(*target());
  for (const std::string& text : kNotThree) {
    say("hush-area-target", text);
    ASSERT_FALSE(target()) << text;
  }
  say("hush-area-target", "7 65536 0131072");
  ASSERT_TRUE(target() && *target());
  EXPECT_EQ(**target(), (xenstore::AreaTarget{7, {65536, 131072}})) << "zeros before a number change nothing";
}

TEST_F(AreaSwitchKeys, TheFirstSizesAreTwoNumbersOrNone) {
  const auto first = [&] { return xenstore::read_area_first(store_->view(), kDirectory); };
  EXPECT_EQ(first(), std::nullopt);
  for (const std::string text : {"", " ", "1", "1 ", " 1", "1 2 ", "1 2 3", "1  2", "-1 2", "1 4294967296"}) {
    say("hush-area-first", text);
    EXPECT_EQ(first(), std::nullopt) << text;
  }
  say("hush-area-first", "4096 8192");
  EXPECT_EQ(first(), (area::Sizes{4096, 8192}));
}

TEST_F(AreaSwitchKeys, AnAnswerIsForANumber) {
  ASSERT_TRUE(reply());
  EXPECT_FALSE(*reply());
  for (const std::string text : {"", " ", "2", "2 ", "mapped", "2mapped", "2  mapped", " 2 mapped",
                                 "2 mapped ", "2 Mapped", "2 refused", "2 perhaps", "0 mapped", "-2 mapped",
                                 "+2 mapped", "4294967298 mapped", "two mapped", "2\tmapped"}) {
    say("hush-area-answer", text);
    EXPECT_FALSE(reply()) << "'" << text << "'";
  }
  say("hush-area-answer", "2 mapped");
  ASSERT_TRUE(reply() && *reply());
  EXPECT_EQ((*reply())->number, 2U);
  EXPECT_EQ((*reply())->refused, "");
  say("hush-area-answer", "3 refused no room  today");
  ASSERT_TRUE(reply() && *reply());
  EXPECT_EQ((*reply())->number, 3U);
  EXPECT_EQ((*reply())->refused, "no room  today");
}

// A yes must not be made out of a no that gives no reason.
TEST_F(AreaSwitchKeys, ARefusalWithoutAReasonIsNoYes) {
  say("hush-area-answer", "2 refused ");
  const auto read = reply();
  EXPECT_TRUE(!read || !(*read)->refused.empty());
}

TEST_F(AreaSwitchKeys, WhatIsDeclinedHasANumber) {
  for (const std::string text : {"", "no memory", "0 no memory", "-1 no", "4294967296 no"}) {
    say("hush-area-declined", text);
    EXPECT_FALSE(declined()) << text;
  }
  say("hush-area-declined", "1 no memory");
  ASSERT_TRUE(declined() && *declined());
  EXPECT_EQ((*declined())->number, 1U);
  EXPECT_EQ((*declined())->refused, "no memory");
}

TEST_F(AreaSwitchKeys, AReasonIsShortAndPrints) {
  const std::string rubbish = "\n[info] all is well\x1b[2J\xff" + std::string(3000, 'x');
  say("hush-area-declined", "1 " + rubbish);
  say("hush-area-answer", "1 refused " + rubbish);
  for (const auto& read : {declined(), reply()}) {
    ASSERT_TRUE(read && *read);
    const std::string& reason = (*read)->refused;
    EXPECT_TRUE(reason.starts_with("?[info] all is well?[2J?xxx")) << reason;
    EXPECT_LT(reason.size(), 300U) << "it goes into the log";
  }
}

}  // namespace
}  // namespace hush
