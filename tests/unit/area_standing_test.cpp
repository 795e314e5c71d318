// Does a back end that is killed between any two stores, in the file and in the page, leave what the next one
// goes on from: nothing that it took lost, at most one frame doubled, no number of a sleep used twice, in the
// middle of a switch too? And is a file that is not what it should be refused, with its reason?
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "common/area/ring_pair.hpp"
#include "common/area/standing.hpp"
#include "tests/support/inflight_world.hpp"
#include "tests/support/own_area.hpp"

namespace hush::area {
namespace {

using test::CutWords, test::Killed, test::OwnArea, test::Steps;
using Back = RingPairOf<Keeper<CutWords>>;

constexpr std::uint32_t kRing = 4096;
constexpr std::uint32_t kLength = 500;
constexpr std::uint32_t kFrames = 60;  // of the front end
constexpr std::uint32_t kBatch = 3;
constexpr std::uint32_t kGenerations = 4;

const inflight::Identity kIdentity{DomId{7},       1,          2, inflight::RingKind::area, Gref{81},
                                   EvtchnPort{19}, 12345678901};

Gref page_of(std::uint32_t generation) {
  return Gref{100 + generation};
}

// A front end that lives on, a back end of several lives, and what they must agree on.
class World {
 public:
  World() {
    for (std::uint32_t g = 1; g <= kGenerations; ++g) {
      const std::uint32_t ring = g % 2 == 1 ? kRing : 2 * kRing;
      const Header first = header_of(1, kRing, kRing);
      areas_.push_back(std::make_unique<OwnArea>(g == 1 ? first : header_after(first, g, {ring, ring})));
    }
    file_ = new_standing(kIdentity, {.seat = seat(1)});
    front_.emplace(front_side(view(1)));
  }

  void live(const std::vector<std::size_t>& lives) {
    for (const std::size_t steps : lives) {
      steps_.allow(steps);
      try {
        return serve();
      } catch (const Killed&) {
        ++kills_;
        front_turn();
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    steps_.allow(SIZE_MAX);
    serve();
  }

  void expect_all_is_well() {
    front_turn();
    EXPECT_EQ(front_->fault(), Fault::none) << to_text(front_->fault());
    std::uint32_t last = 0;
    std::size_t doubled = 0;
    for (const std::uint32_t n : effects_) {
      if (n == last) {
        ++doubled;
        continue;
      }
      ASSERT_EQ(n, last + 1) << "lost or out of turn";
      last = n;
    }
    EXPECT_EQ(last, kFrames);
    EXPECT_LE(doubled, kills_);
    EXPECT_LE(given_ - got_, kills_ * kBatch) << "more than what was not published";
    EXPECT_EQ(generation_, kGenerations);
  }
  [[nodiscard]] std::size_t steps() const { return steps_.taken(); }

 private:
  [[nodiscard]] View view(std::uint32_t generation) const { return areas_.at(generation - 1)->view(); }
  [[nodiscard]] Seat seat(std::uint32_t generation) const {
    return seat_of(page_of(generation), view(generation).header);
  }

  // ---- the front end

  void front_turn() {
    Frame frame;
    while (front_->in.peek(frame)) {
      std::uint32_t n = 0;
      std::memcpy(&n, frame.bytes.data(), sizeof n);
      ASSERT_GT(n, last_got_) << "doubled or out of turn";
      last_got_ = n;
      ++got_;
    }
    if (front_->in.unreleased()) (void)front_->in.release();
    if (front_->cross() == RingPair::Crossing::over) {
      generation_ = going_to_;
      going_to_ = 0;
    }
    for (int i = 0; i < 2 && sent_ < kFrames; ++i)
      if (std::byte* const place = front_->out.reserve(kLength)) {
        ++sent_;
        std::memcpy(place, &sent_, sizeof sent_);
        front_->out.commit({.length = kLength});
      }
    if (front_->out.unpublished()) (void)front_->out.publish();
    if (answered_ > generation_ && going_to_ == 0) {
      going_to_ = answered_;
      (void)front_->lead(front_side(view(going_to_)));
    }
    ASSERT_EQ(front_->fault(), Fault::none) << to_text(front_->fault());
  }

  // ---- the back end

  void serve() {
    const auto at = read_standing(file_, kIdentity);
    ASSERT_TRUE(at) << at.error().text;
    Keeper<CutWords> keeper(CutWords(file_, steps_), *at);
    Back back(back_side(view(at->seat.generation)), at->sleeps, {at->consumed, at->produced});
    ASSERT_EQ(at->seat, seat(at->seat.generation));
    std::uint32_t in_use = at->seat.generation, staged = 0;
    if (at->step == Standing::Step::staged) {
      staged = at->other.generation;
      back.stage(back_side(view(staged)));
    }
    back.keep(&keeper);
    steps_.take();
    back.take_over();
    ASSERT_EQ(back.fault(), Fault::none) << to_text(back.fault());
    steps_.take();
    if (at->step == Standing::Step::left) {
      Back::end_generation(back_side(view(at->other.generation)), at->other_produced);
      keeper.forget_other();
    }
    if (staged != 0) answered_ = staged;
    for (int idle = 0; idle < 5;) {
      front_turn();
      if (testing::Test::HasFatalFailure()) return;
      const bool did = turn(back);
      if (back.cross() == Back::Crossing::followed) {
        steps_.take();
        keeper.forget_other();
        in_use = std::exchange(staged, 0);
      }
      ASSERT_EQ(back.fault(), Fault::none) << to_text(back.fault());
      if (staged == 0 && in_use < kGenerations && sent_ > 12 * in_use) {
        staged = in_use + 1;
        back.stage(back_side(view(staged)), seat(staged));
        steps_.take();
        answered_ = staged;
      }
      if (!did) rest(back);
      idle = did || staged != 0 ? 0 : idle + 1;
    }
  }

  bool turn(Back& back) {
    Frame frame;
    bool did = false;
    for (std::uint32_t i = 0; i < kBatch && back.in.peek(frame); ++i) {
      std::uint32_t n = 0;
      std::memcpy(&n, frame.bytes.data(), sizeof n);
      steps_.take();
      effects_.push_back(n);
      back.took();
      did = true;
    }
    for (std::uint32_t i = 0; i < kBatch && given_ < kFrames; ++i)
      if (std::byte* const place = back.out.reserve(kLength)) {
        ++given_;
        std::memcpy(place, &given_, sizeof given_);
        back.out.commit({.length = kLength});
        did = true;
      }
    if (back.in.unreleased()) (void)back.release();
    steps_.take();
    if (back.out.unpublished()) (void)back.publish();
    steps_.take();
    return did;
  }

  // A number that was published counts as used, whether or not the second look found something.
  void rest(Back& back) {
    const auto used = [](std::uint32_t number, std::uint32_t& last) {
      ASSERT_GT(number, last) << "the number of a sleep is used twice";
      last = number;
    };
    const bool sleeps = back.may_sleep();
    used(back.in.last_sleep(), last_sleep_);
    steps_.take();
    if (sleeps) back.in.awake();
    const bool waits = back.wait_for_room(kLength);
    used(back.out.last_sleep(), last_wait_);
    steps_.take();
    if (waits) back.out.awake();
  }

  std::vector<std::unique_ptr<OwnArea>> areas_;
  std::vector<std::uint64_t> file_;
  Steps steps_;
  std::size_t kills_ = 0;
  std::optional<RingPair> front_;
  std::uint32_t generation_ = 1, going_to_ = 0;  // of the front end
  std::uint32_t answered_ = 1;                   // `mapped`
  std::uint32_t sent_ = 0, got_ = 0, last_got_ = 0;
  std::vector<std::uint32_t> effects_;
  std::uint32_t given_ = 0;  // read from behind the back end
  std::uint32_t last_sleep_ = 0, last_wait_ = 0;
};

void expect_well(const std::vector<std::size_t>& lives) {
  World world;
  world.live(lives);
  if (!testing::Test::HasFatalFailure()) world.expect_all_is_well();
}

TEST(AreaStanding, NothingIsLostWithoutAKill) {
  expect_well({});
}

TEST(AreaStanding, KilledAfterEachStep) {
  World whole;
  whole.live({});
  ASSERT_GT(whole.steps(), 200U);
  for (std::size_t first = 0; first < whole.steps(); ++first) {
    expect_well({first});
    if (testing::Test::HasFailure()) FAIL() << "killed after step " << first;
  }
}

TEST(AreaStanding, KilledTwiceAndThriceSoonAfter) {
  World whole;
  whole.live({});
  for (std::size_t first = 0; first < whole.steps(); ++first)
    for (std::size_t second = 0; second < 12; ++second)
      for (const std::size_t third : {std::size_t{0}, std::size_t{3}, std::size_t{7}}) {
        expect_well({first, second, third});
        if (testing::Test::HasFailure())
          FAIL() << "killed after steps " << first << ", " << second << " and " << third;
      }
}

// A port need not say so of each frame.
TEST(AreaStanding, WhatIsReleasedIsKeptFirst) {
  OwnArea area(header_of(1, kRing, kRing));
  RingPair front(front_side(area.view()));
  ASSERT_TRUE(front.out.reserve(kLength));
  front.out.commit({.length = kLength});
  (void)front.out.publish();
  const Standing at{.seat = seat_of(page_of(1), area.view().header)};
  auto words = new_standing(kIdentity, at);
  Steps steps;
  Keeper<CutWords> keeper(CutWords(words, steps), at);
  Back back(back_side(area.view()));
  back.keep(&keeper);
  Frame frame;
  ASSERT_TRUE(back.in.peek(frame));
  steps.allow(0);
  EXPECT_THROW((void)back.release(), Killed) << "kept before it is published";
  steps.allow(SIZE_MAX);
  EXPECT_EQ(area.view().page->guest_tx.consumed.load(std::memory_order_relaxed), 0U);
  (void)back.release();
  const auto read = read_standing(words, kIdentity);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->consumed, span_of(kLength));
}

// ---------------------------------------------------------------- files

Standing some_standing() {
  return {.step = Standing::Step::left,
          .slot = 1,
          .seat = seat_of(Gref{20}, header_of(3, 65536, 262144)),
          .other = seat_of(Gref{30}, header_of(2, 262144, 65536)),
          .consumed = 160,
          .produced = 0xfffffff0,
          .other_produced = 32,
          .sleeps = {17, 0xffffffff},
          .advices = 4};
}

TEST(AreaStanding, SaysWhatWasWritten) {
  const auto read = read_standing(new_standing(kIdentity, some_standing()), kIdentity);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(*read, some_standing());
}

TEST(AreaStanding, EveryFlippedByteIsSeen) {
  const auto sound = new_standing(kIdentity, some_standing());
  for (std::size_t at = 0; at < sound.size() * sizeof sound[0]; ++at) {
    auto words = sound;
    reinterpret_cast<unsigned char*>(words.data())[at] ^= 0x10;
    EXPECT_FALSE(read_standing(words, kIdentity)) << "byte " << at;
  }
}

std::string reason(const Standing& at, const inflight::Identity& identity = kIdentity) {
  const auto read = read_standing(new_standing(identity, at), kIdentity);
  return read ? "" : read.error().text;
}

TEST(AreaStanding, IsRefusedWithItsReason) {
  EXPECT_EQ(reason(some_standing()), "");
  auto other = kIdentity;
  other.session += std::uint64_t{1} << 40;
  EXPECT_EQ(reason(some_standing(), other), "it is of another connection of this vif");
  other = kIdentity;
  other.ring = inflight::RingKind::guest_tx;
  EXPECT_EQ(reason(some_standing(), other), "it is of another ring");
  auto at = some_standing();
  at.consumed = 8;
  EXPECT_EQ(reason(at), "it has a position inside a record");
  at = some_standing();
  at.other_produced = 8;
  EXPECT_EQ(reason(at), "it has a position inside a record");
  at = some_standing();
  at.seat.rings.guest_rx = 5000;
  EXPECT_EQ(reason(at), "it names no area");
  at = some_standing();
  at.seat.header_page = Gref{7};
  EXPECT_EQ(reason(at), "it names no area");
  at = some_standing();
  at.step = Standing::Step::staged;
  EXPECT_EQ(reason(at), "it names no other area") << "a staged one is of a later generation";
  at = some_standing();
  at.step = static_cast<Standing::Step>(4);
  EXPECT_EQ(reason(at), "it stands where no area is");
  auto words = new_standing(kIdentity, some_standing());
  words.push_back(0);
  EXPECT_FALSE(read_standing(words, kIdentity));
}

TEST(AreaStanding, AnAreaWithAnotherHeaderIsNotTheSame) {
  const Header header = header_of(3, 65536, 262144);
  const Seat seat = seat_of(Gref{20}, header);
  EXPECT_FALSE(refusal_to_resume(header, seat));
  EXPECT_TRUE(refusal_to_resume(header_of(4, 65536, 262144), seat));
  EXPECT_TRUE(refusal_to_resume(header_of(3, 65536, 65536), seat));
  Header shorter = header;
  shorter.guest_rx_max_frame -= 16;
  EXPECT_TRUE(refusal_to_resume(shorter, seat));
}

// ---------------------------------------------------------------- a page that was changed meanwhile

// What a back end at these positions says to a page in which the guest has written.
Fault taken_over(std::uint32_t tx_produced, std::uint32_t tx_consumed, std::uint32_t rx_consumed,
                 bool staged = false) {
  OwnArea area(header_of(1, kRing, kRing));
  area::HeaderPage& page = *area.view().page;
  page.guest_tx.produced.store(tx_produced, std::memory_order_relaxed);
  page.guest_tx.consumed.store(tx_consumed, std::memory_order_relaxed);
  page.guest_rx.consumed.store(rx_consumed, std::memory_order_relaxed);
  page.guest_tx.mode.store(9, std::memory_order_relaxed);
  page.guest_rx.room.store(9, std::memory_order_relaxed);
  RingPair back(back_side(area.view()), {}, {1600, 3200});
  OwnArea next(header_of(2, kRing, kRing));
  if (staged) back.stage(back_side(next.view()));
  back.take_over();
  if (back.fault() == Fault::none) {
    EXPECT_EQ(page.guest_tx.consumed.load(std::memory_order_relaxed), 1600U);
    EXPECT_EQ(page.guest_rx.produced.load(std::memory_order_relaxed), 3200U);
    EXPECT_EQ(page.guest_tx.mode.load(std::memory_order_relaxed), 0U) << "it is awake";
    EXPECT_EQ(page.guest_rx.room.load(std::memory_order_relaxed), 0U);
  }
  return back.fault();
}

TEST(AreaStanding, AForgedPageIsNotGoneOnIn) {
  constexpr std::uint32_t kMost = kRing - kReserve;
  EXPECT_EQ(taken_over(1600, 1600, 3200), Fault::none);
  EXPECT_EQ(taken_over(1600 + kMost, 1600 - kMost, 3200 - kMost), Fault::none);
  EXPECT_EQ(taken_over(1584, 1600, 3200), Fault::produced_impossible);
  EXPECT_EQ(taken_over(1600 + kRing, 1600, 3200), Fault::produced_impossible);
  EXPECT_EQ(taken_over(1600 + kRing, 1600, 3200, true), Fault::none) << "a SWITCH fills it";
  EXPECT_EQ(taken_over(1608, 1600, 3200), Fault::produced_unaligned);
  EXPECT_EQ(taken_over(1600, 1616, 3200), Fault::own_index_moved);
  EXPECT_EQ(taken_over(1600, 1592, 3200), Fault::own_index_moved);
  EXPECT_EQ(taken_over(1600, 1600, 3216), Fault::consumed_impossible);
  EXPECT_EQ(taken_over(1600, 1600, 3200 - kRing), Fault::consumed_impossible);
  EXPECT_EQ(taken_over(1600, 1600, 3192), Fault::consumed_unaligned);
}

}  // namespace
}  // namespace hush::area
