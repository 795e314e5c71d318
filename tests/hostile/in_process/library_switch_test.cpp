// The library (domu/library) while its area gives way to another (common/area/README.md, section 10): the
// honest path with frames under way, and a back end that refuses, is silent, or lies at each step.
#include <iterator>
#include <sstream>
#include <vector>

#include "tests/hostile/in_process/library_fixture.hpp"

namespace hush {
namespace {

constexpr std::size_t kSharesOfAnArea = 3;

class LibrarySwitch : public Library {
 public:
  // Connected, with the back end's ends of the first area.
  void meet() {
    connect();
    first_ = view_of(front("hush-area-ref"));
    back_.emplace(area::back_side(first_));
    shares_ = xen_.shares();
  }
  area::View view_of(const std::string& header_gref) {
    auto* const page =
        static_cast<area::HeaderPage*>(xen_.shared_page(static_cast<std::uint32_t>(std::stoul(header_gref))));
    if (!page) throw std::runtime_error("not granted: " + header_gref);
    const auto header = page->header.take<area::Header>();
    std::uint32_t gref = 0;
    std::memcpy(&gref, xen_.shared_page(header.index_grefs[0]), sizeof gref);
    return {header, page, xen_.shared_page(gref)};
  }
  // The words of the key: GENERATION REF PAGES.
  std::vector<std::string> offer() {
    std::istringstream words(front("hush-area-offer"));
    return {std::istream_iterator<std::string>(words), {}};
  }
  void advise(std::uint32_t number, std::uint32_t tx, std::uint32_t rx) {
    back("hush-area-target", std::to_string(number) + " " + std::to_string(tx) + " " + std::to_string(rx));
    vif_->step();
  }
  void answer(const std::string& what) {
    back("hush-area-answer", what);
    vif_->step();
  }
  // Takes up what is offered, and says so: the front end has moved then.
  void take_up() {
    const auto words = offer();
    ASSERT_EQ(words.size(), 3U) << log_;
    next_ = view_of(words[1]);
    ASSERT_FALSE(area::refusal_to_follow(next_.header, first_.header,
                                         static_cast<std::uint32_t>(std::stoul(words[0])),
                                         {area::kMaxRing, area::kMaxRing}));
    next_.page->back_lives.store(1);
    back_->stage(area::back_side(next_));
    answer(words[0] + " mapped");
  }
  void send(std::uint8_t number) {
    std::byte* const place = link().reserve(60);
    ASSERT_NE(place, nullptr);
    std::memset(place, number, 60);
    link().commit({.length = 60});
  }
  void give_frame(std::uint8_t number) {
    std::byte* const place = back_->out.reserve(60);
    ASSERT_NE(place, nullptr);
    std::memset(place, number, 60);
    back_->out.commit({.length = 60});
    (void)back_->out.publish();
  }
  // The number of the next frame; -1: none.
  int got() {
    area::Frame frame;
    return link().peek(frame) ? static_cast<int>(frame.bytes[59]) : -1;
  }
  int arrived() {
    area::Frame frame;
    return back_->in.peek(frame) ? static_cast<int>(frame.bytes[59]) : -1;
  }
  // A record in guest_rx of the first area, as it is; nothing is published.
  void put(std::uint32_t at, const area::Record& record) {
    area::guest_rx_ring(first_.rings, first_.header).put(at, record);
  }
  bool said(const std::string& what) { return log_.find(what) != log_.npos; }
  // The area in use is the first one, and works.
  void expect_as_it_was() {
    EXPECT_EQ(xen_.shares(), shares_);
    EXPECT_EQ(front("hush-area-offer"), "");
    send(77);
    link().publish();
    EXPECT_EQ(arrived(), 77);
    (void)back_->in.release();
    give_frame(78);
    EXPECT_EQ(got(), 78);
    link().release();
  }

  area::View first_, next_;
  std::optional<area::RingPair> back_;
  std::size_t shares_ = 0;
};

TEST_F(LibrarySwitch, UpAndDownWithFramesOnTheirWay) {
  meet();
  std::uint8_t n = 0;
  const area::Sizes sizes[] = {{16384, 8192}, {4096, 4096}, {4096, 65536}};
  std::uint32_t advice = 0;
  for (const area::Sizes& next : sizes) {
    send(++n);
    link().publish();
    give_frame(100 + n);
    advise(++advice, next.guest_tx, next.guest_rx);
    EXPECT_EQ(xen_.shares(), shares_ + kSharesOfAnArea);
    send(++n);  // not published: the move does
    std::byte* const lost = link().reserve(1000);
    ASSERT_NE(lost, nullptr);
    take_up();
    std::byte* const anew = link().reserve(1000);
    EXPECT_EQ(anew, static_cast<std::byte*>(next_.rings) + area::kRecordBytes)
        << "the place is in the next area";
    send(++n);
    link().publish();

    EXPECT_EQ(arrived(), n - 2);
    EXPECT_EQ(arrived(), n - 1);
    EXPECT_EQ(arrived(), -1);
    (void)back_->in.release();
    const auto notified = xen_.notifies();
    EXPECT_EQ(back_->cross(), area::RingPair::Crossing::followed);
    EXPECT_EQ(arrived(), n);
    (void)back_->in.release();
    give_frame(150 + n);

    EXPECT_EQ(got(), 100 + n - 2);
    EXPECT_EQ(got(), -1);
    EXPECT_EQ(xen_.shares(), shares_ + kSharesOfAnArea) << "what was given is not released yet";
    link().release();
    EXPECT_EQ(got(), 150 + n);
    link().release();
    EXPECT_EQ(xen_.shares(), shares_) << "the grants of the area before have ended";
    EXPECT_EQ(xen_.notifies(), notified);
    EXPECT_EQ(front("hush-area-offer"), "");
    EXPECT_EQ(view_of(front("hush-area-ref")).header.generation, next_.header.generation);
    EXPECT_EQ(area::sizes_of(next_.header), next);
    EXPECT_EQ(vif_->counters().moves.get(), advice);
  }
  EXPECT_TRUE(said("goes on in an area of 16 + 8 KiB, generation 2"));
  EXPECT_TRUE(said("goes on in an area of 4 + 64 KiB, generation 4"));
  EXPECT_EQ(vif_->connects(), 1U);
}

// An application that polls need not release where it was given nothing.
TEST_F(LibrarySwitch, WhoReleasesNothingMovesAllTheSame) {
  meet();
  advise(1, 16384, 8192);
  take_up();
  EXPECT_EQ(arrived(), -1);
  EXPECT_EQ(back_->cross(), area::RingPair::Crossing::followed);
  give_frame(9);
  EXPECT_EQ(got(), -1);
  vif_->step();
  EXPECT_EQ(got(), 9);
  EXPECT_EQ(xen_.shares(), shares_);
}

TEST_F(LibrarySwitch, FramesInHandSurviveAStep) {
  meet();
  advise(1, 16384, 8192);
  take_up();
  give_frame(5);
  EXPECT_EQ(arrived(), -1);
  EXPECT_EQ(back_->cross(), area::RingPair::Crossing::followed);
  area::Frame frame;
  ASSERT_TRUE(link().peek(frame));
  EXPECT_EQ(got(), -1) << "the SWITCH";
  vif_->step();
  EXPECT_EQ(xen_.shares(), shares_ + kSharesOfAnArea);
  EXPECT_EQ(frame.bytes[0], std::byte{5}) << "it is the application's until release()";
  link().release();
  EXPECT_EQ(xen_.shares(), shares_);
}

TEST_F(LibrarySwitch, WithoutAnAnswerItIsWithdrawn) {
  lose_patience();
  meet();
  advise(1, 16384, 8192);
  ASSERT_EQ(offer().size(), 3U);
  while (!front("hush-area-offer").empty()) vif_->wait(-1ms);
  EXPECT_TRUE(said("the back end gives no answer")) << log_;
  expect_as_it_was();
  answer("2 mapped");
  expect_as_it_was();
  advise(2, 16384, 8192);
  EXPECT_EQ(offer().at(0), "3") << "a generation is offered once";
}

TEST_F(LibrarySwitch, ARefusalIsSaidAndWithdrawn) {
  meet();
  advise(1, 16384, 8192);
  answer("2 refused no room\ntoday");
  EXPECT_TRUE(said("the back end refuses it: no room?today")) << log_;
  expect_as_it_was();
}

TEST_F(LibrarySwitch, WhatIsNoAnswerMovesNobody) {
  meet();
  answer("2 mapped");
  EXPECT_EQ(front("hush-area-offer"), "") << "nothing was advised";
  answer("1 mapped");
  expect_as_it_was();
  advise(1, 16384, 8192);
  answer("1 mapped");
  for (const char* other :
       {"3 mapped", "0 mapped", "4294967298 mapped", "mapped", "2", "2 perhaps", "", "2 mapped "})
    answer(other);
  send(1);
  link().publish();
  EXPECT_EQ(arrived(), 1) << "in the area in use";
  (void)back_->in.release();
  EXPECT_FALSE(link().standstill());
  back_->stage(area::back_side(view_of(offer().at(1))));
  answer("2 mapped");
  EXPECT_EQ(arrived(), -1);
  EXPECT_EQ(back_->cross(), area::RingPair::Crossing::followed) << "and the right one moves it after all";
}

TEST_F(LibrarySwitch, SenselessAdviceIsDeclined) {
  meet();
  std::uint32_t number = 0;
  for (const std::uint32_t ring : {0U, 1U, 2048U, 5000U, 12288U, 64U << 20, UINT32_MAX})
    for (const bool tx : {true, false}) {
      advise(++number, tx ? ring : 8192, tx ? 8192 : ring);
      EXPECT_EQ(front("hush-area-declined"), std::to_string(number) + " its rings make no sense here");
      EXPECT_EQ(xen_.shares(), shares_);
    }
  for (const char* text :
       {"", "x", "15 8192", "15 8192 -1", "0 8192 8192", "15 8192 8192 8192", "15 4294967296 8192"}) {
    back("hush-area-target", text);
    vif_->step();
    EXPECT_EQ(front("hush-area-offer"), "") << text;
  }
  EXPECT_TRUE(said("hush-area-target is not 'NUMBER GUEST_TX GUEST_RX'"));
  expect_as_it_was();
}

TEST_F(LibrarySwitch, AStormOfAdviceIsOneAreaAtATime) {
  meet();
  for (std::uint32_t number = 1; number <= 1000; ++number) {
    advise(number, 8192U << number % 4, 8192);
    ASSERT_LE(xen_.shares(), shares_ + kSharesOfAnArea);
  }
  send(77);
  link().publish();
  EXPECT_EQ(arrived(), 77) << "in the area in use: none was answered";
  EXPECT_LE(log_.size(), 100'000U) << "what it says of that is bounded by its own pace";
}

TEST_F(LibrarySwitch, WhereMemoryIsShortItOffersLessOrDeclines) {
  meet();
  std::uint32_t number = 0;
  bool smaller = false, declined = false;
  for (std::uint64_t n = 0; n < 12; ++n) {
    xen_.fail_call(n);
    advise(++number, 65536, 65536);
    if (const auto words = offer(); !words.empty()) {
      smaller = smaller || view_of(words[1]).header.guest_tx_ring < 65536;
      answer(words[0] + " refused enough");
    } else {
      declined = declined || front("hush-area-declined").starts_with(std::to_string(number) + " ");
    }
    ASSERT_EQ(xen_.shares(), shares_) << n;
  }
  EXPECT_TRUE(smaller);
  advise(++number, 4096, 8192);
  xen_.fail_call(0);
  answer(offer().at(0) + " refused enough");
  xen_.fail_call(0);
  advise(++number, 4096, 8192);
  EXPECT_TRUE(front("hush-area-declined").starts_with(std::to_string(number) + " ") || declined)
      << "there is nothing smaller";
  expect_as_it_was();
}

// The other end has led nobody: a SWITCH of its own is a lie at each step before.
TEST_F(LibrarySwitch, ASwitchBeforeItsOwnEndsIt) {
  for (const bool offered : {false, true}) {
    meet();
    if (offered) advise(1, 16384, 8192);
    (void)back_->out.switch_over();
    EXPECT_EQ(got(), -1);
    vif_->step();
    EXPECT_EQ(vif_->reason(), "a switch to no generation");
    EXPECT_EQ(xen_.shares(), 0U);
    vif_.reset();
    for (const char* key : {"hush-area-target", "hush-area-answer"}) xen_.remove(kBack + std::string(key));
    for (const char* key : {"hush-area-offer", "hush-area-declined"}) xen_.remove(kFront + std::string(key));
    back("state", "2");
    xen_.write(kFront + std::string("state"), "1");
  }
}

TEST_F(LibrarySwitch, ABackEndThatFollowsWronglyIsCutOff) {
  struct Lie {
    const char* reason;
    void (*tell)(LibrarySwitch&);
  };
  const Lie lies[] = {
      {"a record behind a switch",
       [](LibrarySwitch& t) {
         t.put(0, {.kind = area::Kind::switch_over});
         t.put(16, {.length = 60});
         t.first_.page->guest_rx.produced.store(96, std::memory_order_seq_cst);
       }},
      {"a record behind a switch",
       [](LibrarySwitch& t) {
         t.put(0, {.kind = area::Kind::switch_over});
         t.put(16, {.kind = area::Kind::switch_over});
         t.first_.page->guest_rx.produced.store(32, std::memory_order_seq_cst);
       }},
      {"a switch that has a length",
       [](LibrarySwitch& t) {
         t.put(0, {.length = 16, .kind = area::Kind::switch_over});
         t.first_.page->guest_rx.produced.store(32, std::memory_order_seq_cst);
       }},
      {"a switch to no generation",  // it follows twice
       [](LibrarySwitch& t) {
         EXPECT_EQ(t.arrived(), -1);
         EXPECT_EQ(t.back_->cross(), area::RingPair::Crossing::followed);
         EXPECT_EQ(t.got(), -1);
         t.link().release();
         (void)t.back_->out.switch_over();
       }},
      {"produced index impossible",
       [](LibrarySwitch& t) {
         t.first_.page->guest_rx.produced.store(kRing + 16, std::memory_order_seq_cst);
       }},
  };
  for (const Lie& lie : lies) {
    meet();
    advise(1, 16384, 8192);
    take_up();
    lie.tell(*this);
    EXPECT_EQ(got(), -1);
    vif_->step();
    EXPECT_EQ(vif_->reason(), lie.reason);
    EXPECT_EQ(xen_.shares(), 0U);
    vif_.reset();
    for (const char* key : {"hush-area-target", "hush-area-answer"}) xen_.remove(kBack + std::string(key));
    xen_.remove(kFront + std::string("hush-area-offer"));
    back("state", "2");
    xen_.write(kFront + std::string("state"), "1");
  }
}

// It keeps both areas, goes on sending in the next one, tells the other end again and again, and says that it
// stands still.
TEST_F(LibrarySwitch, ABackEndThatNeverFollowsIsNamed) {
  lose_patience();
  meet();
  advise(1, 16384, 8192);
  take_up();
  send(1);
  link().publish();
  while (!link().standstill()) vif_->wait(-1ms);
  EXPECT_EQ(link().standstill()->cause, "the other end takes no frames");
  EXPECT_GE(vif_->counters().out.notifies_late.get(), 1U);
  EXPECT_EQ(xen_.shares(), shares_ + kSharesOfAnArea);
  give_frame(3);
  EXPECT_EQ(got(), 3) << "what it still sends in the old area is taken";
  link().release();
  advise(2, 32768, 8192);
  EXPECT_EQ(offer().at(0), "2") << "one switch at a time";
  // At last it does.
  EXPECT_EQ(arrived(), -1);
  EXPECT_EQ(back_->cross(), area::RingPair::Crossing::followed);
  EXPECT_EQ(arrived(), 1);
  (void)back_->in.release();
  while (link().standstill() || front("hush-area-offer").starts_with("2 ")) {
    (void)got();
    vif_->wait(1ms);
  }
  EXPECT_EQ(offer().at(0), "3") << "and what was advised meanwhile is followed";
}

}  // namespace
}  // namespace hush
