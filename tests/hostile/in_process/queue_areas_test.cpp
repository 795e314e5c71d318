// The back end's side of a switch (dom0/vif/queue_areas.hpp) against a front end that this test is: what it
// maps, answers and takes back at each step, and that it never unmaps what its queue still touches.
#include "dom0/vif/queue_areas.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "common/area/ring_pair.hpp"
#include "tests/support/fake_xen/world.hpp"

namespace hush::dom0 {
namespace {

using namespace std::chrono_literals;
using area::RingPair;
using test::FakeXen;

constexpr char kBack[] = "backend/vif/7/0";
constexpr char kFront[] = "/local/domain/7/device/vif/0";
constexpr area::Sizes kLonger{16384, 8192};
constexpr std::uint32_t kMaxPages = 100;

class BackAreas : public ::testing::Test {
 protected:
  struct GuestArea {
    area::Header header;
    std::uint32_t gref;
    area::View view;
  };

  BackAreas() {
    xen_.reset();
    for (std::uint32_t i = 1; i < area::kFirstGref; ++i) (void)xen_.grant();  // those are reserved
    xen_.write(kBack + std::string("/state"), "4");
    store_ = *xenstore::Client::open(loop_);
    first_ = make(area::header_of(1, 4096, 4096));
    front_.emplace(area::front_side(first_.view));
    auto areas = dom0::QueueAreas::begin({.loop = loop_,
                                          .store = *store_,
                                          .grants = grants_,
                                          .vif = {test::kGuest, 0},
                                          .directory = kBack,
                                          .frontend = kFront,
                                          .port = EvtchnPort{1},
                                          .max_pages = kMaxPages,
                                          .name = "vif7.0",
                                          .on_end =
                                              [this](SwitchEnd end, const std::string& why) {
                                                ends_.push_back(end);
                                                why_ = why;
                                              }},
                                         {Gref{first_.gref}, first_.header.pages});
    areas_ = std::move(*areas);
    back_.emplace(area::back_side(areas_->in_use()));
    serve(1min);  // no test of this file takes as long
    maps_ = xen_.maps();
  }
  ~BackAreas() override {
    back_.reset();
    areas_.reset();
    EXPECT_EQ(xen_.maps(), 0U);
    store_.reset();
    xen_.reset();
  }

  void serve(std::chrono::milliseconds stall) {
    areas_->serve(
        {.stage = [this](const area::View& next, const area::Seat&) { back_->stage(area::back_side(next)); },
         .unstage =
             [this](bool withdrawn) {
               const bool left = back_->unstage(withdrawn);
               if (!left) ++held_;
               return left;
             },
         .forget_left = [] {},
         .advises = [](std::uint32_t) {}},
        stall);
  }
  // From here on what is waited for comes too late.
  void lose_patience() { serve(1ms); }
  GuestArea make(area::Header header) {
    const std::uint32_t gref = xen_.grant(), index = xen_.grant();
    std::vector<std::uint32_t> grefs(area::ring_pages(header));
    const std::uint32_t run = xen_.grant_run(static_cast<std::uint32_t>(grefs.size()));
    for (std::uint32_t i = 0; i < grefs.size(); ++i) grefs[i] = run + i;
    std::memcpy(xen_.page(index).bytes, grefs.data(), grefs.size() * sizeof grefs[0]);
    header.index_grefs[0] = index;
    auto& page = shm::layout_at<area::HeaderPage>(&xen_.page(gref));
    page.header.put(header);
    return {header, gref, {header, &page, &xen_.page(run)}};
  }
  void offer_text(const std::string& text) {
    xen_.write(kFront + std::string("/hush-area-offer"), text);
    look();
  }
  void offer(const area::Header& header) {
    next_ = make(header);
    offer_text(std::to_string(header.generation) + " " + std::to_string(next_.gref) + " " +
               std::to_string(header.pages));
  }
  void offer_honest(std::uint32_t generation = 2) {
    offer(area::header_after(first_.header, generation, kLonger));
  }
  void withdraw() {
    xen_.remove(kFront + std::string("/hush-area-offer"));
    look();
  }
  void decline(std::uint32_t advice, const std::string& why) {
    xen_.write(kFront + std::string("/hush-area-declined"), std::to_string(advice) + " " + why);
    look();
  }
  void look() {
    loop_.restart();
    loop_.poll();
  }
  template <class Condition>
  void wait_until(Condition condition) {
    for (const auto end = std::chrono::steady_clock::now() + 20s;
         !condition() && std::chrono::steady_clock::now() < end;) {
      loop_.restart();
      loop_.run_one_for(5ms);
    }
    EXPECT_TRUE(condition());
  }
  void wait_for_end() {
    wait_until([this, before = ends_.size()] { return ends_.size() > before; });
  }
  std::string said(const char* key) { return xen_.read(std::string(kBack) + "/" + key).value_or("none"); }
  std::string answer() { return said("hush-area-answer"); }
  void lead() { (void)front_->lead(area::front_side(next_.view)); }
  // The data thread's turn.
  RingPair::Crossing turn() {
    area::Frame frame;
    while (back_->in.peek(frame)) {
    }
    if (back_->in.unreleased()) (void)back_->in.release();
    return back_->cross();
  }
  void send() {
    ASSERT_NE(front_->out.reserve(60), nullptr);
    front_->out.commit({.length = 60});
    (void)front_->out.publish();
  }

  FakeXen& xen_ = FakeXen::get();
  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_;
  xen::GrantTable grants_ = *xen::GrantTable::open();
  GuestArea first_, next_;
  std::unique_ptr<dom0::QueueAreas> areas_;
  std::optional<RingPair> front_, back_;
  std::vector<SwitchEnd> ends_;
  std::string why_;
  std::size_t maps_ = 0;
  unsigned held_ = 0;  // areas that were to be taken back, and that a SWITCH may still lead to
};

TEST_F(BackAreas, GoOnInWhatWasAdvised) {
  const std::uint32_t pages = areas_->pages();
  ASSERT_TRUE(areas_->advise(kLonger));
  EXPECT_EQ(said("hush-area-target"), "1 16384 8192");
  EXPECT_FALSE(areas_->advise({4096, 8192})) << "one switch at a time";
  offer_honest();
  EXPECT_EQ(answer(), "2 mapped");
  EXPECT_GT(xen_.maps(), maps_);
  EXPECT_EQ(areas_->pages(), pages + next_.header.pages) << "both count";
  EXPECT_EQ(turn(), RingPair::Crossing::none);
  lead();
  EXPECT_EQ(turn(), RingPair::Crossing::followed);
  areas_->moved();
  EXPECT_EQ(xen_.maps(), maps_) << "the old one is unmapped";
  EXPECT_EQ(ends_, std::vector{SwitchEnd::moved});
  EXPECT_EQ(areas_->header().generation, 2U);
  EXPECT_EQ(areas_->pages(), next_.header.pages);
  EXPECT_FALSE(areas_->switching());
  send();
  EXPECT_EQ(turn(), RingPair::Crossing::none);
  EXPECT_TRUE(back_->in.is_empty());
}

TEST_F(BackAreas, AnAdviceThatNobodyFollowsIsTakenBack) {
  lose_patience();
  ASSERT_TRUE(areas_->advise(kLonger));
  wait_for_end();
  EXPECT_EQ(ends_, std::vector{SwitchEnd::declined});
  EXPECT_EQ(said("hush-area-target"), "none");
  offer_honest();
  EXPECT_EQ(answer(), "2 refused no other area was advised");
  EXPECT_EQ(xen_.maps(), maps_);
  ASSERT_TRUE(areas_->advise(kLonger));
  EXPECT_EQ(said("hush-area-target"), "2 16384 8192");
}

TEST_F(BackAreas, WhatIsDeclinedIsOver) {
  ASSERT_TRUE(areas_->advise(kLonger));
  decline(2, "of another");
  EXPECT_TRUE(areas_->switching());
  decline(1, "no memory");
  EXPECT_EQ(ends_, std::vector{SwitchEnd::declined});
  EXPECT_EQ(why_, "no memory");
  EXPECT_EQ(said("hush-area-target"), "none");
}

TEST_F(BackAreas, AnAnswerWithoutASwitchIsTakenBack) {
  ASSERT_TRUE(areas_->advise(kLonger));
  offer_honest();
  lose_patience();
  wait_for_end();
  EXPECT_EQ(ends_, std::vector{SwitchEnd::abandoned});
  EXPECT_EQ(answer(), "2 refused no switch to it came in time");
  EXPECT_EQ(xen_.maps(), maps_);
  lead();
  EXPECT_EQ(turn(), RingPair::Crossing::none);
  EXPECT_EQ(back_->fault(), area::Fault::switch_unasked) << "it moves all the same";
}

TEST_F(BackAreas, NothingIsTakenBackWhileASwitchMayLieInTheRing) {
  ASSERT_TRUE(areas_->advise(kLonger));
  offer_honest();
  send();
  lead();
  lose_patience();
  wait_until([this] { return held_ > 0; });
  EXPECT_TRUE(ends_.empty());
  EXPECT_EQ(turn(), RingPair::Crossing::followed);
  // The control thread hears of it late: the front end is over meanwhile, and has removed its offer.
  withdraw();
  offer_honest(3);
  EXPECT_EQ(answer(), "3 refused no other area was advised");
  send();
  EXPECT_EQ(turn(), RingPair::Crossing::none) << "what it has moved to is there still";
  EXPECT_GT(xen_.maps(), maps_);
  areas_->moved();
  EXPECT_EQ(xen_.maps(), maps_);
  EXPECT_EQ(ends_, std::vector{SwitchEnd::moved});
}

TEST_F(BackAreas, WhatIsWithdrawnIsUnmapped) {
  ASSERT_TRUE(areas_->advise(kLonger));
  offer_honest();
  send();
  withdraw();
  EXPECT_EQ(xen_.maps(), maps_) << "no SWITCH will come, whatever is in the ring";
  EXPECT_EQ(ends_, std::vector{SwitchEnd::abandoned});
  EXPECT_EQ(turn(), RingPair::Crossing::none);
  EXPECT_EQ(back_->fault(), area::Fault::none);
}

TEST_F(BackAreas, EachLieIsRefusedByItsReason) {
  using Change = void (*)(area::Header&);
  const std::pair<const char*, Change> lies[] = {
      {"another generation", [](area::Header& h) { --h.generation; }},
      {"other longest frames", [](area::Header& h) { --h.guest_rx_max_frame; }},
      {"longer than was advised",
       [](area::Header& h) {
         h = area::header_after(h, h.generation, {32768, 8192});
       }},
      {"longer than was advised",
       [](area::Header& h) {
         h = area::header_after(h, h.generation, {16384, 16384});
       }},
      {"more pages than this back end allows",
       [](area::Header& h) {
         h = area::header_after(h, h.generation, {512 * 1024, 8192});
       }},
      {"no area's magic", [](area::Header& h) { ++h.magic; }},
  };
  std::uint32_t generation = 1;
  for (const auto& [reason, change] : lies) {
    ASSERT_TRUE(areas_->advise(kLonger));
    area::Header header = area::header_after(first_.header, ++generation, kLonger);
    change(header);
    const auto made = make(header);
    offer_text(std::to_string(generation) + " " + std::to_string(made.gref) + " " +
               std::to_string(header.pages));
    EXPECT_TRUE(answer().starts_with(std::to_string(generation) + " refused ")) << answer();
    EXPECT_NE(answer().find(reason), std::string::npos) << answer();
    EXPECT_EQ(ends_.back(), SwitchEnd::refused);
    EXPECT_EQ(xen_.maps(), maps_) << reason;
    EXPECT_FALSE(areas_->switching());
  }
}

TEST_F(BackAreas, TheRestOfTheHeaderPageIs0) {
  ASSERT_TRUE(areas_->advise(kLonger));
  next_ = make(area::header_after(first_.header, 2, kLonger));
  area::Rest rest{};
  rest.back() = 1;
  next_.view.page->rest.put(rest);
  offer_text("2 " + std::to_string(next_.gref) + " " + std::to_string(next_.header.pages));
  EXPECT_EQ(answer(), "2 refused bytes that must be 0 are not");
  EXPECT_EQ(xen_.maps(), maps_);
}

TEST_F(BackAreas, EachStepOfTheMappingMayFail) {
  bool mapped = false;
  for (std::uint32_t n = 0; n < 20 && !mapped; ++n) {
    ASSERT_TRUE(areas_->advise(kLonger));
    xen_.fail_call(n);
    offer_honest(2 + n);
    mapped = answer() == std::to_string(2 + n) + " mapped";
    if (mapped) break;
    EXPECT_EQ(xen_.maps(), maps_) << n;
    withdraw();
    decline(n + 1, "it was not answered");
    ASSERT_FALSE(areas_->switching()) << n;
  }
  EXPECT_TRUE(mapped);
}

TEST_F(BackAreas, OffersInAStormMapOneAtMost) {
  ASSERT_TRUE(areas_->advise(kLonger));
  offer_honest();
  const std::size_t both = xen_.maps();
  for (std::uint32_t generation = 3; generation < 200; ++generation) {
    offer_honest(generation);
    ASSERT_LE(xen_.maps(), both);
  }
  EXPECT_EQ(xen_.maps(), maps_) << "the first was withdrawn by the second";
  EXPECT_EQ(ends_, std::vector{SwitchEnd::abandoned});
}

}  // namespace
}  // namespace hush::dom0
