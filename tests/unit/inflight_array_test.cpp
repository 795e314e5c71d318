// Does a kill between any two stores leave a file by which nothing is lost, nothing answered twice and no
// more than one effect doubled? And is a file that is not what it should be refused, with its reason?
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <numeric>

#include "common/inflight/array.hpp"
#include "tests/support/inflight_world.hpp"

namespace hush::inflight {
namespace {

using test::CutWords, test::InflightWorld, test::Script, test::Steps;

// ---------------------------------------------------------------- killed

std::size_t steps_of(const Script& script) {
  InflightWorld world(script);
  world.live({});
  world.expect_all_is_well();
  return world.steps();
}

void expect_well(const Script& script, const std::vector<std::size_t>& lives) {
  InflightWorld world(script);
  world.live(lives);
  if (!testing::Test::HasFatalFailure()) world.expect_all_is_well();
}

class Killed : public testing::TestWithParam<Script> {};

TEST_P(Killed, OnceAfterEachStep) {
  const std::size_t steps = steps_of(GetParam());
  for (std::size_t first = 0; first < steps; ++first) {
    expect_well(GetParam(), {first});
    if (HasFailure()) FAIL() << "killed after step " << first;
  }
}

TEST_P(Killed, TwiceAfterEachStepOfBothLives) {
  const std::size_t steps = steps_of(GetParam());
  for (std::size_t first = 0; first < steps; ++first)
    for (std::size_t second = 0; second < 40; ++second) {
      expect_well(GetParam(), {first, second});
      if (HasFailure()) FAIL() << "killed after steps " << first << " and " << second;
    }
}

TEST_P(Killed, ThriceInTheRepairsThemselves) {
  const std::size_t steps = steps_of(GetParam());
  for (std::size_t first = 0; first < steps; ++first)
    for (std::size_t second = 0; second < 9; ++second)
      for (std::size_t third = 0; third < 9; ++third) {
        expect_well(GetParam(), {first, second, third});
        if (HasFailure()) FAIL() << "killed after steps " << first << ", " << second << " and " << third;
      }
}

INSTANTIATE_TEST_SUITE_P(InTurn, Killed,
                         testing::Values(Script{.packets = 6}, Script{.packets = 5, .batch = 1},
                                         Script{.packets = 6, .begin = 0xfffffffa}));
INSTANTIATE_TEST_SUITE_P(
    InAnyOrder, Killed,
    testing::Values(Script{.order = Order::any, .packets = 8, .seed = 5},
                    Script{.order = Order::any, .packets = 8, .begin = 0xfffffffa, .seed = 77}));

RC_GTEST_PROP(KilledProperty, AnywhereAnyNumberOfTimes, ()) {
  Script script;
  script.order = *rc::gen::element(Order::in_turn, Order::any);
  script.slots = std::uint32_t{1} << *rc::gen::inRange(2, 6);
  script.packets = *rc::gen::inRange<std::uint32_t>(1, 80);
  script.batch = *rc::gen::inRange<std::uint32_t>(1, 20);
  script.begin = *rc::gen::arbitrary<std::uint32_t>();
  script.seed = *rc::gen::arbitrary<std::uint32_t>();
  expect_well(script, *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 200)));
  RC_ASSERT(!testing::Test::HasFailure());
}

// ---------------------------------------------------------------- files as kills leave them

constexpr Geometry kGeometry{4, 3, Order::in_turn};
constexpr Geometry kAnyOrder{4, 3, Order::any};
const Identity kIdentity = InflightWorld::identity();
using Bytes = std::vector<std::uint64_t>;

// A file in progress: what its ring says too.
struct Left {
  Bytes words;
  RingIndexes ring;
  Geometry geometry = kGeometry;

  [[nodiscard]] Judged judged() const { return judge(words, geometry, kIdentity, ring); }
};

// Two requests are answered, three taken, the first two of them sent; killed after `more` further stores of
// their answers.
Left left_behind(std::size_t more, const Geometry& geometry = kGeometry) {
  Left left{new_file(geometry, kIdentity, 10), {15, 10}, geometry};
  Steps steps;
  Array<CutWords> array(CutWords(left.words, steps), geometry, plan_without_file(geometry, 10));
  const auto take = [&](std::uint32_t n) {
    const std::uint32_t request[] = {n, n + 100, n + 200};
    return array.take(request);
  };
  const Answer done[] = {{take(1), 0}, {take(2), 0}};
  array.commit(done, [&] { left.ring.rsp_prod = 12; });
  const Answer batch[] = {{take(3), 0}, {take(4), -1}};
  (void)take(5);
  array.sent(batch[0].id, 0);
  array.sent(batch[1].id, -1);
  steps.allow(more);
  try {
    array.commit(batch, [&] {
      steps.take();
      left.ring.rsp_prod = 14;
    });
  } catch (const test::Killed&) {
  }
  return left;
}
// Stores until a step of the commit of a batch of two: two links, batch, ring, two records, position, batch.
constexpr std::size_t kNothing = 0, kBatch = 3, kPublished = 4, kOneCleared = 5, kCounted = 7, kDone = 8;

TEST(InflightPlan, SaysWhatWasTakenSentAndAnswered) {
  for (std::size_t more = kNothing; more <= kDone; ++more) {
    SCOPED_TRACE(more);
    const auto plan = left_behind(more).judged();
    ASSERT_TRUE(plan) << name(plan.error());
    const bool published = more >= kPublished;
    EXPECT_EQ(plan->produced, published ? 14U : 12U);
    EXPECT_EQ(plan->consumed, 15U);
    EXPECT_EQ(plan->next_ticket, 15U);
    EXPECT_EQ(plan->answered.size(), more >= kPublished && more < kCounted ? 2U : 0U);
    EXPECT_EQ(plan->batch_stands, more >= kBatch && more < kDone);
    ASSERT_EQ(plan->pending.size(), published ? 1U : 3U);
    EXPECT_EQ(plan->free.size(), published ? 3U : 1U);
    const Pending& last = plan->pending.back();
    EXPECT_EQ(last.ticket, 14U);
    EXPECT_FALSE(last.sent);
    EXPECT_EQ(last.request, (std::vector<std::uint32_t>{5, 105, 205}));
    if (published) continue;
    EXPECT_TRUE(plan->pending[0].sent && plan->pending[1].sent);
    EXPECT_EQ(plan->pending[0].result, 0);
    EXPECT_EQ(plan->pending[1].result, -1);
    EXPECT_EQ(plan->pending[1].request, (std::vector<std::uint32_t>{4, 104, 204}));
  }
}

TEST(InflightPlan, ANewFileIsThePlanOfAnAttachWithoutOne) {
  const auto plan = judge(new_file(kGeometry, kIdentity, 77), kGeometry, kIdentity, {80, 77});
  ASSERT_TRUE(plan);
  const Plan bare = plan_without_file(kGeometry, 77);
  EXPECT_EQ(plan->consumed, 77U);
  EXPECT_EQ(plan->produced, bare.produced);
  EXPECT_EQ(plan->next_ticket, bare.next_ticket);
  EXPECT_EQ(plan->free, bare.free);
  EXPECT_TRUE(plan->pending.empty() && plan->answered.empty() && !plan->batch_stands);
}

// An old request may be outrun by any number of new ones.
TEST(InflightPlan, TicketsGoOnAboveTheOldest) {
  Bytes words = new_file(kAnyOrder, kIdentity, 5);
  Steps steps;
  Plan plan = plan_without_file(kAnyOrder, 5);
  plan.next_ticket = 0x3'0000'0005;
  Array<CutWords> array(CutWords(words, steps), kAnyOrder, plan);
  const std::uint32_t request[] = {1, 2, 3};
  (void)array.take(request);
  const auto judged = judge(words, kAnyOrder, kIdentity, {6, 5});
  ASSERT_TRUE(judged) << name(judged.error());
  EXPECT_EQ(judged->pending[0].ticket, 0x3'0000'0005U);
  EXPECT_EQ(judged->next_ticket, 0x3'0000'0006U);
  // Its index is taken again, 2^32 indexes on.
  words[kAnsweredAt] = seal(4, kAnsweredAt);
  const auto later = judge(words, kAnyOrder, kIdentity, {6, 4});
  ASSERT_TRUE(later) << name(later.error());
  EXPECT_EQ(later->next_ticket, 0x4'0000'0005U);
}

// Every single byte says what it should, or the file is refused. Of a record that was being filled nothing is
// used but its state.
TEST(InflightContent, EachByteFlippedIsRefused) {
  for (const auto& geometry : {kGeometry, kAnyOrder})
    for (std::size_t more = kNothing; more <= kDone; ++more) {
      const Left left = left_behind(more, geometry);
      for (std::size_t at = 0; at < left.words.size() * 8; ++at)
        for (const std::uint64_t flip : {0x01U, 0x80U, 0xffU, 0x10U}) {
          Left flipped = left;
          flipped.words[at / 8] ^= flip << at % 8 * 8;
          ASSERT_FALSE(flipped.judged()) << "byte " << at << " ^ " << flip << ", " << more << " stores on";
        }
    }
}

TEST(InflightContent, WhatWasBeingCopiedInMayBeAnything) {
  for (std::size_t stores = 0; stores < 7; ++stores) {
    Left left = left_behind(kDone);
    const auto before = left.judged();
    ASSERT_TRUE(before);
    Steps steps;
    Array<CutWords> array(CutWords(left.words, steps), kGeometry, *before);
    const RecordId id = before->free.back();
    const std::size_t at = record_at(kGeometry, id);
    left.ring.req_prod = 16;
    steps.allow(stores);
    const std::uint32_t request[] = {6, 106, 206};
    EXPECT_THROW((void)array.take(request), test::Killed);
    for (std::size_t byte = 0; byte < kGeometry.stride() * 8; ++byte) {
      Left flipped = left;
      flipped.words[at + byte / 8] ^= std::uint64_t{0x5a} << byte % 8 * 8;
      const auto plan = flipped.judged();
      const bool in_content = stores > 0 && byte / 8 >= kTicketWord && byte / 8 < kRequestWord + 3;
      ASSERT_EQ(plan.has_value(), in_content) << "byte " << byte << ", " << stores << " stores on";
      if (plan) {
        EXPECT_EQ(plan->consumed, before->consumed) << "it was not taken";
      }
    }
  }
}

TEST(InflightContent, OfAnyOtherLengthIsRefused) {
  const Left left = left_behind(kBatch);
  for (std::size_t length = 0; length <= left.words.size() + 8; ++length) {
    Left cut = left;
    cut.words.resize(length);
    const auto plan = cut.judged();
    EXPECT_EQ(plan.has_value(), length == left.words.size());
    if (!plan) {
      EXPECT_EQ(plan.error(), Refusal::wrong_size);
    }
  }
}

TEST(InflightContent, AWordIsSoundOnlyWhereAndWithWhatItWasWritten) {
  const Left left = left_behind(kBatch);
  for (std::size_t from = 0; from < left.words.size(); ++from)
    for (std::size_t to = 0; to < left.words.size(); ++to) {
      if (left.words[from] == left.words[to]) continue;
      Left moved = left;
      moved.words[to] = left.words[from];
      ASSERT_FALSE(moved.judged()) << "word " << from << " at " << to;
    }
}

// ---------------------------------------------------------------- the reasons

void put(Left& left, RecordId id, const RecordState& state) {
  const std::size_t at = record_at(left.geometry, id);
  left.words[at] = seal(pack(state), at);
}
void put(Left& left, const Batch& batch) {
  left.words[kBatchAt] = seal(pack(batch), kBatchAt);
}
void put_ticket(Left& left, RecordId id, std::uint32_t ticket) {
  const std::size_t at = record_at(left.geometry, id);
  left.words[at + kTicketWord] = seal(ticket, at + kTicketWord);
  for (std::size_t i = at + kRequestWord; i < at + kRequestWord + 3; ++i) left.words[i] = seal(1, i, ticket);
}
void put_header(Left& left, const std::function<void(Header&)>& change) {
  HeaderWords raw;
  std::copy_n(left.words.begin(), raw.size(), raw.begin());
  auto header = std::bit_cast<Header>(raw);
  change(header);
  header.checksum = checksum_of(header);
  std::ranges::copy(std::bit_cast<HeaderWords>(header), left.words.begin());
}

struct Forgery {
  const char* what;
  Refusal refusal;
  std::function<void(Left&)> forge;
  std::size_t more = kBatch;
  Geometry geometry = kGeometry;
};

// Of a forger who knows the seals. Records 3 and 2 have tickets 12 and 13 and are the batch (2 leads to 3);
// record 1 has ticket 14 and is taken; record 0 is free.
TEST(InflightContent, IsRefusedWithItsReason) {
  const Forgery forgeries[] = {
      {"a foreign file", Refusal::not_a_file_of_ours,
       [](Left& l) { put_header(l, [](Header& h) { h.magic++; }); }},
      {"a later version", Refusal::unknown_version,
       [](Left& l) { put_header(l, [](Header& h) { h.version = 2; }); }},
      {"version 0", Refusal::unknown_version,
       [](Left& l) { put_header(l, [](Header& h) { h.version = 0; }); }},
      {"a torn header", Refusal::header_torn, [](Left& l) { l.words[7] ^= std::uint64_t{1} << 40; }},
      {"a header's spare", Refusal::spare_bytes_used,
       [](Left& l) { put_header(l, [](Header& h) { h.reserved[1] = 1; }); }},
      {"spare behind the position", Refusal::spare_bytes_used, [](Left& l) { l.words[kAnsweredAt + 1] = 1; }},
      {"spare behind the batch", Refusal::spare_bytes_used, [](Left& l) { l.words[kBatchAt + 7] = 1; }},
      {"spare behind a record", Refusal::spare_bytes_used, [](Left& l) { l.words.back() = 1; }},
      {"another domain", Refusal::other_vif, [](Left& l) { put_header(l, [](Header& h) { h.peer++; }); }},
      {"another handle", Refusal::other_vif, [](Left& l) { put_header(l, [](Header& h) { h.handle++; }); }},
      {"another queue", Refusal::other_queue, [](Left& l) { put_header(l, [](Header& h) { h.queue++; }); }},
      {"another ring", Refusal::other_ring, [](Left& l) { put_header(l, [](Header& h) { h.ring = 2; }); }},
      {"another page", Refusal::other_connection,
       [](Left& l) { put_header(l, [](Header& h) { h.ring_ref++; }); }},
      {"another channel", Refusal::other_connection,
       [](Left& l) { put_header(l, [](Header& h) { h.port++; }); }},
      {"other slots", Refusal::other_shape, [](Left& l) { put_header(l, [](Header& h) { h.slots = 8; }); }},
      {"other requests", Refusal::other_shape,
       [](Left& l) { put_header(l, [](Header& h) { h.request_words = 4; }); }},
      {"another order", Refusal::other_shape, [](Left& l) { put_header(l, [](Header& h) { h.order = 2; }); }},
      {"a torn position", Refusal::position_torn, [](Left& l) { l.words[kAnsweredAt]++; }},
      {"no position", Refusal::position_torn, [](Left& l) { l.words[kAnsweredAt] = 0; }},
      {"a torn batch", Refusal::batch_torn, [](Left& l) { l.words[kBatchAt]++; }},
      {"a torn state", Refusal::record_torn, [](Left& l) { l.words[record_at(kGeometry, 1)]++; }},
      {"a torn ticket", Refusal::record_torn,
       [](Left& l) { l.words[record_at(kGeometry, 1) + kTicketWord]++; }},
      {"a torn ticket above", Refusal::record_torn,
       [](Left& l) { l.words[record_at(kGeometry, 1) + kTicketWord + 1]++; }},
      {"a torn request", Refusal::record_torn,
       [](Left& l) { l.words[record_at(kGeometry, 1) + kRequestWord + 2]++; }},
      {"a request of another ticket", Refusal::record_torn,
       [](Left& l) {
         const std::size_t at = record_at(kGeometry, 1) + kRequestWord;
         l.words[at] = seal(5, at, 13);
       }},
      {"state 0", Refusal::unknown_state, [](Left& l) { put(l, 1, {static_cast<State>(0)}); }},
      {"state 6", Refusal::unknown_state, [](Left& l) { put(l, 1, {static_cast<State>(6)}); }},
      {"a ring of too much", Refusal::indexes_impossible,
       [](Left& l) { l.ring.req_prod = l.ring.rsp_prod + 5; }},
      {"a ring that went back", Refusal::indexes_impossible,
       [](Left& l) { l.ring.req_prod = l.ring.rsp_prod - 1; }},
      {"a batch of 5", Refusal::batch_too_long,
       [](Left& l) {
         put(l, Batch{2, 5});
       }},
      {"a batch of 65535", Refusal::batch_too_long,
       [](Left& l) {
         put(l, Batch{2, 65535});
       }},
      {"a batch out of the array", Refusal::batch_leaves_the_array,
       [](Left& l) {
         put(l, Batch{4, 2});
       }},
      {"a link out of the array", Refusal::batch_leaves_the_array,
       [](Left& l) {
         put(l, 2, {State::answering, 0, 900});
       }},
      {"a record that follows itself", Refusal::batch_has_a_cycle,
       [](Left& l) {
         put(l, 2, {State::answering, 0, 2});
       }},
      {"a circle of two", Refusal::batch_has_a_cycle,
       [](Left& l) {
         put(l, 3, {State::answering, 0, 2});
         put(l, Batch{2, 4});
       }},
      {"a circle where the batch ends", Refusal::batch_goes_on,
       [](Left& l) {
         put(l, 3, {State::answering, 0, 2});
       }},
      {"a batch without records", Refusal::batch_goes_on,
       [](Left& l) {
         put(l, Batch{2, 0});
       }},
      {"a batch of one more", Refusal::batch_ends_early,
       [](Left& l) {
         put(l, Batch{2, 3});
       }},
      {"a batch of nothing", Refusal::batch_ends_early,
       [](Left& l) {
         put(l, Batch{kNoRecord, 1});
       }},
      {"a batch of one that is taken", Refusal::batch_of_others, [](Left& l) { put(l, 3, {State::taken}); }},
      {"a batch of one that is sent", Refusal::batch_of_others, [](Left& l) { put(l, 3, {State::sent}); }},
      {"a batch of one that is filled", Refusal::batch_of_others,
       [](Left& l) { put(l, 3, {State::filling}); }},
      {"answers of nobody", Refusal::ring_stands_elsewhere, [](Left& l) { l.ring.rsp_prod++; }},
      {"answers taken back", Refusal::ring_stands_elsewhere, [](Left& l) { l.ring.rsp_prod--; }},
      {"one more than the batch", Refusal::ring_stands_elsewhere,
       [](Left& l) {
         l.ring = {17, 15};
       }},
      {"answers without a batch", Refusal::ring_stands_elsewhere, [](Left& l) { l.ring.rsp_prod++; },
       kNothing},
      {"half cleared, then taken back", Refusal::batch_half_cleared, [](Left& l) { l.ring.rsp_prod = 12; },
       kOneCleared},
      {"a ticket beyond counting", Refusal::ticket_impossible,
       [](Left& l) {
         const std::size_t at = record_at(kGeometry, 1) + kTicketWord + 1;
         l.words[at] = seal(0x8000'0000, at);
       }},
      {"two of one ticket", Refusal::ticket_twice, [](Left& l) { put_ticket(l, 1, 13); }},
      {"two of one ticket, in any order", Refusal::ticket_twice, [](Left& l) { put_ticket(l, 1, 13); },
       kBatch, kAnyOrder},
      {"a gap", Refusal::ticket_missing, [](Left& l) { put_ticket(l, 1, 15); }},
      {"one from before", Refusal::ticket_missing, [](Left& l) { put_ticket(l, 3, 9); }},
      {"more than was posted", Refusal::more_than_was_posted, [](Left& l) { l.ring.req_prod = 14; }},
  };
  std::vector<bool> seen(kRefusals);
  for (const Forgery& forgery : forgeries) {
    SCOPED_TRACE(forgery.what);
    Left left = left_behind(forgery.more, forgery.geometry);
    ASSERT_TRUE(left.judged()) << name(left.judged().error());
    forgery.forge(left);
    const auto plan = left.judged();
    EXPECT_FALSE(plan);
    if (plan) continue;
    EXPECT_EQ(name(plan.error()), name(forgery.refusal));
    seen[static_cast<std::size_t>(plan.error())] = true;
  }
  for (std::size_t i = 1; i < kRefusals; ++i)
    EXPECT_TRUE(seen[i]) << "nothing is refused since " << name(static_cast<Refusal>(i));
}

TEST(InflightContent, OutOfTurnAGapIsNone) {
  Left left = left_behind(kBatch, kAnyOrder);
  put_ticket(left, 1, 4000);
  const auto plan = left.judged();
  ASSERT_TRUE(plan) << name(plan.error());
  EXPECT_EQ(plan->pending.back().ticket, 4000U);
}

TEST(InflightContent, NamesAreDistinct) {
  for (std::size_t i = 0; i < kRefusals; ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_NE(name(static_cast<Refusal>(i)), name(static_cast<Refusal>(j)));
}

// A request of the largest kind: it has its own lines of the cache, and comes back whole.
TEST(InflightArray, CarriesRequestsOfAnyLength) {
  for (std::uint32_t length = 1; length <= kMaxRequestWords; ++length) {
    const Geometry geometry{8, length, Order::any};
    EXPECT_EQ(geometry.stride() % 8, 0U);
    EXPECT_GE(geometry.stride(), length + 3);
    Bytes words = new_file(geometry, kIdentity, 0);
    Steps steps;
    Array<CutWords> array(CutWords(words, steps), geometry, plan_without_file(geometry, 0));
    std::vector<std::uint32_t> request(length);
    std::iota(request.begin(), request.end(), 0xffff'fff0U);
    for (int i = 0; i < 3; ++i) {
      (void)array.take(request);
      request[0]++;
    }
    EXPECT_EQ(array.room(), 5U);
    const auto plan = judge(words, geometry, kIdentity, {3, 0});
    ASSERT_TRUE(plan) << name(plan.error());
    ASSERT_EQ(plan->pending.size(), 3U);
    request[0]--;
    EXPECT_EQ(plan->pending[2].request, request);
  }
}

}  // namespace
}  // namespace hush::inflight
