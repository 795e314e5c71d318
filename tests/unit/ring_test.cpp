// Does each end of the ring do what Xen's macros do, and see through a peer that lies about its index?
#include "common/ring/ring.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstring>
#include <deque>
#include <vector>

#include "common/netif/wire.hpp"
#include "tests/support/xen_ring.hpp"

namespace hush::ring {
namespace {

using netif::RxBack, netif::RxFront, netif::RxRequest, netif::RxResponse, netif::RxSring;
using netif::TxBack, netif::TxFront, netif::TxRequest, netif::TxResponse, netif::TxSring;
using test::RingPage, test::XenTxBack, test::XenTxFront;

constexpr std::uint32_t kSlots = TxSring::kSlots;

TxSring& tx(RingPage& page) {
  return shm::layout_at<TxSring>(page.bytes);
}
RxSring& rx(RingPage& page) {
  return shm::layout_at<RxSring>(page.bytes);
}

// Request number n: every field follows from n and none is zero for small n.
TxRequest request(std::uint32_t n) {
  return {n + 7, static_cast<std::uint16_t>(n % 4000 + 1), static_cast<std::uint16_t>(n % 15 + 1),
          static_cast<std::uint16_t>(n + 3), static_cast<std::uint16_t>(n % 1500 + 14)};
}
TxResponse response(std::uint32_t n) {
  return {static_cast<std::uint16_t>(n + 3), static_cast<std::int16_t>(-1 - static_cast<int>(n % 2))};
}
void expect_request(const TxRequest& got, std::uint32_t n) {
  const TxRequest want = request(n);
  EXPECT_EQ(std::memcmp(&got, &want, sizeof want), 0) << "request " << n << " came with gref " << got.gref;
}
void expect_response(const TxResponse& got, std::uint32_t n) {
  EXPECT_EQ(got.id, response(n).id) << "response " << n;
  EXPECT_EQ(got.status, response(n).status) << "response " << n;
}

// Sets the page as if two ends had used it up to `at` and everything was answered.
void stand_at(RingPage& page, std::uint32_t at) {
  auto& ring = tx(page);
  ring.req_prod.store(at, std::memory_order_relaxed);
  ring.rsp_prod.store(at, std::memory_order_relaxed);
  ring.req_event.store(at + 1, std::memory_order_relaxed);
  ring.rsp_event.store(at + 1, std::memory_order_relaxed);
}

// ---------------------------------------------------------------- making and attaching

TEST(Ring, CreateLeavesThePageAsXensMacroDoesAndTheSlotsEmpty) {
  RingPage ours, xens;
  (void)TxFront::create(tx(ours));
  (void)XenTxFront::create(xens);
  EXPECT_EQ(std::memcmp(ours.bytes, xens.bytes, offsetof(TxSring, slot)), 0);
  for (std::size_t i = offsetof(TxSring, slot); i < sizeof(TxSring); ++i)
    ASSERT_EQ(ours.bytes[i], 0) << "byte " << i << " of the page leaks to the peer";
}

TEST(Ring, CreateClearsTheSlotsOfARingOfEightByteSlots) {
  RingPage page;
  (void)RxFront::create(rx(page));
  for (std::size_t i = offsetof(RxSring, slot); i < sizeof(RxSring); ++i) ASSERT_EQ(page.bytes[i], 0);
}

TEST(Ring, AttachWritesNothing) {
  RingPage page, before;
  (void)TxBack::attach(tx(page), {5, 3});
  (void)TxFront::attach(tx(page), {5, 9});
  EXPECT_EQ(std::memcmp(page.bytes, before.bytes, sizeof page.bytes), 0);
}

TEST(Ring, ABackEndFindsRequestsThatWereThereBeforeIt) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  for (std::uint32_t n = 0; n < 40; ++n) front.put(request(n));
  (void)front.publish();
  auto back = TxBack::attach(tx(page), {});
  ASSERT_EQ(back.pending(), 40U);
  for (std::uint32_t n = 0; n < 40; ++n) expect_request(back.take(), n);
}

TEST(Ring, ABackEndGoesOnWhereItStoodInARunningRing) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  for (std::uint32_t n = 0; n < 100; ++n) front.put(request(n));
  (void)front.publish();
  Position at;
  {
    auto first_life = TxBack::attach(tx(page), {});
    for (std::uint32_t n = 0; n < 60; ++n) (void)first_life.take();
    for (std::uint32_t n = 0; n < 25; ++n) first_life.put(response(n));
    (void)first_life.publish();
    at = first_life.position();
  }
  EXPECT_EQ(at.consumed, 60U);
  EXPECT_EQ(at.produced, 25U);
  EXPECT_EQ(TxBack::published_index(tx(page)), 25U);
  EXPECT_EQ(TxFront::published_index(tx(page)), 100U);

  auto back = TxBack::attach(tx(page), at);
  ASSERT_EQ(back.pending(), 40U);
  EXPECT_EQ(back.room(), 35U);
  for (std::uint32_t n = 60; n < 100; ++n) expect_request(back.take(), n);
  for (std::uint32_t n = 25; n < 100; ++n) back.put(response(n));
  (void)back.publish();
  ASSERT_EQ(front.pending(), 100U);
  for (std::uint32_t n = 0; n < 100; ++n) expect_response(front.take(), n);
}

TEST(Ring, AFrontEndGoesOnWhereItStoodInARunningRing) {
  RingPage page;
  auto first_life = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  for (std::uint32_t n = 0; n < 30; ++n) first_life.put(request(n));
  (void)first_life.publish();
  for (std::uint32_t n = 0; n < 30; ++n) (void)back.take();
  for (std::uint32_t n = 0; n < 30; ++n) back.put(response(n));
  (void)back.publish();
  for (std::uint32_t n = 0; n < 10; ++n) (void)first_life.take();

  auto front = TxFront::attach(tx(page), first_life.position());
  EXPECT_EQ(front.room(), kSlots - 20);
  ASSERT_EQ(front.pending(), 20U);
  for (std::uint32_t n = 10; n < 30; ++n) expect_response(front.take(), n);
}

// ---------------------------------------------------------------- round trips

// Every slot of the ring is used, and the 32-bit indexes wrap on the way.
TEST(Ring, RoundTripsAcrossTheEndOfTheIndexes) {
  RingPage page;
  constexpr std::uint32_t kStart = 0xffffff00;
  stand_at(page, kStart);
  auto front = TxFront::attach(tx(page), {kStart, kStart});
  auto back = TxBack::attach(tx(page), {kStart, kStart});
  std::uint32_t sent = 0, seen = 0, answered = 0;
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(front.room(), kSlots);
    while (front.room() > 0) front.put(request(sent++));
    EXPECT_TRUE(front.publish());
    ASSERT_EQ(back.pending(), kSlots);
    for (std::uint32_t i = 0; i < kSlots; ++i) expect_request(back.take(), seen++);
    EXPECT_EQ(back.room(), kSlots);
    for (std::uint32_t i = 0; i < kSlots; ++i) back.put(response(answered + i));
    EXPECT_TRUE(back.publish());
    ASSERT_EQ(front.pending(), kSlots);
    for (std::uint32_t i = 0; i < kSlots; ++i) expect_response(front.take(), answered++);
    EXPECT_FALSE(front.final_check());
    EXPECT_FALSE(back.final_check());
  }
  EXPECT_EQ(front.position().produced, kStart + 5 * kSlots);
  EXPECT_LT(front.position().produced, kStart) << "the indexes were to wrap";
}

TEST(Ring, ARingOfEightByteSlotsRoundTrips) {
  RingPage page;
  auto front = RxFront::create(rx(page));
  auto back = RxBack::attach(rx(page), {});
  for (std::uint16_t n = 0; n < 256; ++n)
    front.put(RxRequest{static_cast<std::uint16_t>(n + 1), 0xbeef, n + 1000U});
  (void)front.publish();
  ASSERT_EQ(back.pending(), 256U);
  for (std::uint16_t n = 0; n < 256; ++n) {
    const RxRequest got = back.take();
    EXPECT_EQ(got.id, n + 1);
    EXPECT_EQ(got.gref, n + 1000U);
    back.put(RxResponse{got.id, 2, 3, static_cast<std::int16_t>(n + 60)});
  }
  (void)back.publish();
  ASSERT_EQ(front.pending(), 256U);
  for (std::uint16_t n = 0; n < 256; ++n) {
    const RxResponse got = front.take();
    EXPECT_EQ(got.id, n + 1);
    EXPECT_EQ(got.offset, 2);
    EXPECT_EQ(got.flags, 3);
    EXPECT_EQ(got.status, n + 60);
  }
}

TEST(Ring, AnExtraInfoTravelsInASlot) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  front.put(netif::ExtraInfo{netif::extra::kGso, 1, {0xa8, 0x05, 2, 0, 9, 8}});
  (void)front.publish();
  const TxRequest slot = back.take();
  netif::ExtraInfo got;
  std::memcpy(&got, &slot, sizeof got);
  EXPECT_EQ(got.type, netif::extra::kGso);
  EXPECT_EQ(got.flags, 1);
  EXPECT_EQ(got.body[0], 0xa8);
  EXPECT_EQ(got.body[5], 8);
}

// XSA-216: a response shorter than its slot must not carry our stack to the peer.
TEST(Ring, AResponseWritesItsOwnBytesOnly) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  front.put(request(1));
  (void)front.publish();
  (void)back.take();
  unsigned char before[sizeof(TxRequest)];
  unsigned char* const slot = page.bytes + offsetof(TxSring, slot);
  std::memcpy(before, slot, sizeof before);
  back.put(response(1));
  EXPECT_EQ(
      std::memcmp(slot + sizeof(TxResponse), before + sizeof(TxResponse), sizeof before - sizeof(TxResponse)),
      0);
}

TEST(Ring, NothingIsVisibleBeforePublish) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  EXPECT_FALSE(front.unpublished());
  front.put(request(1));
  EXPECT_TRUE(front.unpublished());
  EXPECT_EQ(back.pending(), 0U);
  (void)front.publish();
  EXPECT_FALSE(front.unpublished());
  EXPECT_EQ(back.pending(), 1U);
}

// ---------------------------------------------------------------- against Xen's macros

// The same random history twice: one of the ends ours and the other Xen's, and both Xen's on a second page.
// Whatever is seen through the page must be the same: counts, messages, notifications, producer indexes.
enum class Step : std::uint8_t {
  front_put,
  front_publish,
  front_take,
  front_sleep,
  back_take,
  back_put,
  back_publish,
  back_sleep
};
constexpr std::uint8_t kSteps = 8;

struct Move {
  Step step;
  std::uint32_t count;
};

rc::Gen<std::vector<Move>> histories() {
  const auto move =
      rc::gen::map(rc::gen::pair(rc::gen::inRange<int>(0, kSteps), rc::gen::inRange<std::uint32_t>(1, 60)),
                   [](std::pair<int, std::uint32_t> p) {
                     return Move{static_cast<Step>(p.first), p.second};
                   });
  return rc::gen::container<std::vector<Move>>(move);
}

void showValue(const Move& move, std::ostream& out) {
  out << static_cast<int>(move.step) << 'x' << move.count;
}

// One end of ours under the same names as the oracle's.
struct OurFront {
  TxFront end;
  std::uint32_t room() const { return end.room(); }
  void put(const netif_tx_request& r) { end.put(std::bit_cast<TxRequest>(r)); }
  bool publish() { return end.publish(); }
  std::uint32_t pending() const { return end.pending().value(); }
  netif_tx_response take() { return std::bit_cast<netif_tx_response>(end.take()); }
  bool final_check() { return end.final_check(); }
};
struct OurBack {
  TxBack end;
  std::uint32_t owed() const { return end.room(); }
  void put(const netif_tx_response& r) { end.put(std::bit_cast<TxResponse>(r)); }
  bool publish() { return end.publish(); }
  std::uint32_t pending() const { return end.pending().value(); }
  netif_tx_request take() { return std::bit_cast<netif_tx_request>(end.take()); }
  bool final_check() { return end.final_check(); }
};

// Everything that one step shows to its caller.
struct Seen {
  std::vector<std::uint32_t> values;
  bool operator==(const Seen&) const = default;
};

template <class Front, class Back>
Seen play(const Move& move, Front& front, Back& back, std::uint32_t& number) {
  Seen seen;
  auto& out = seen.values;
  switch (move.step) {
    case Step::front_put:
      for (std::uint32_t i = 0; i < move.count && front.room() > 0; ++i)
        front.put(std::bit_cast<netif_tx_request>(request(number++)));
      out.push_back(front.room());
      break;
    case Step::front_publish:
      out.push_back(front.publish());
      break;
    case Step::front_take:
      out.push_back(front.pending());
      for (std::uint32_t i = std::min(move.count, front.pending()); i > 0; --i) {
        const netif_tx_response r = front.take();
        out.insert(out.end(), {r.id, static_cast<std::uint32_t>(r.status)});
      }
      break;
    case Step::front_sleep:
      out.push_back(front.final_check());
      break;
    case Step::back_take:
      out.push_back(back.pending());
      for (std::uint32_t i = std::min(move.count, back.pending()); i > 0; --i) {
        const netif_tx_request r = back.take();
        out.insert(out.end(), {r.gref, r.offset, r.flags, r.id, r.size});
      }
      break;
    case Step::back_put:
      for (std::uint32_t i = 0; i < move.count && back.owed() > 0; ++i)
        back.put(std::bit_cast<netif_tx_response>(response(number++)));
      out.push_back(back.owed());
      break;
    case Step::back_publish:
      out.push_back(back.publish());
      break;
    case Step::back_sleep:
      out.push_back(back.final_check());
      break;
  }
  return seen;
}

template <class Front, class Back>
void compare(const std::vector<Move>& moves, RingPage& page, Front front, Back back, std::uint32_t start) {
  RingPage oracle;
  stand_at(page, start);
  stand_at(oracle, start);
  auto xen_front = XenTxFront::attach(oracle, start, start);
  auto xen_back = XenTxBack::attach(oracle, start, start);
  std::uint32_t ours = 0, xens = 0;
  for (const Move& move : moves) {
    const Seen mixed = play(move, front, back, ours);
    RC_ASSERT(mixed == play(move, xen_front, xen_back, xens));
    // The producers and the slots too; an event index only where it asks for something still to come (our
    // final_check writes it even when work is there: it then lies in the past and asks for nothing).
    auto& a = *reinterpret_cast<netif_tx_sring*>(page.bytes);
    auto& b = *reinterpret_cast<netif_tx_sring*>(oracle.bytes);
    RC_ASSERT(a.req_prod == b.req_prod);
    RC_ASSERT(a.rsp_prod == b.rsp_prod);
    RC_ASSERT(std::memcmp(a.ring, b.ring, sizeof(TxSring) - offsetof(TxSring, slot)) == 0);
    const auto asks = [](std::uint32_t event, std::uint32_t produced) {
      return event - produced - 1 < kSlots;
    };
    RC_ASSERT(asks(a.req_event, a.req_prod) == asks(b.req_event, b.req_prod));
    RC_ASSERT(asks(a.rsp_event, a.rsp_prod) == asks(b.rsp_event, b.rsp_prod));
  }
}

rc::Gen<std::uint32_t> starts() {
  return rc::gen::oneOf(rc::gen::just(0U), rc::gen::inRange<std::uint32_t>(0xfffffe00, 0xffffffff),
                        rc::gen::arbitrary<std::uint32_t>());
}

RC_GTEST_PROP(RingOracle, OurFrontEndAndXensBackEnd, ()) {
  const auto moves = *histories();
  const std::uint32_t start = *starts();
  RingPage page;
  compare(moves, page, OurFront{TxFront::attach(tx(page), {start, start})},
          XenTxBack::attach(page, start, start), start);
}

RC_GTEST_PROP(RingOracle, XensFrontEndAndOurBackEnd, ()) {
  const auto moves = *histories();
  const std::uint32_t start = *starts();
  RingPage page;
  compare(moves, page, XenTxFront::attach(page, start, start),
          OurBack{TxBack::attach(tx(page), {start, start})}, start);
}

RC_GTEST_PROP(RingOracle, BothEndsOurs, ()) {
  const auto moves = *histories();
  const std::uint32_t start = *starts();
  RingPage page;
  compare(moves, page, OurFront{TxFront::attach(tx(page), {start, start})},
          OurBack{TxBack::attach(tx(page), {start, start})}, start);
}

// ---------------------------------------------------------------- notify hold-off

TEST(RingNotify, OneEventForASleepingPeerAndNoneForABusyOne) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  front.put(request(0));
  EXPECT_TRUE(front.publish()) << "a new ring asks for the first";
  for (std::uint32_t n = 1; n < 50; ++n) {
    front.put(request(n));
    EXPECT_FALSE(front.publish()) << "nobody asked for request " << n;
  }
  EXPECT_TRUE(back.final_check()) << "50 wait";
  for (int i = 0; i < 50; ++i) (void)back.take();
  EXPECT_FALSE(back.final_check());
  front.put(request(50));
  EXPECT_TRUE(front.publish());
}

TEST(RingNotify, PublishOfNothingNotifiesNobody) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  EXPECT_FALSE(front.publish());
  EXPECT_FALSE(back.final_check());
  EXPECT_FALSE(front.publish());
  EXPECT_FALSE(back.publish());
}

// Asking for `wanted` messages: silence before, one event with the one that completes them, silence after.
RC_GTEST_PROP(RingNotify, HoldOffEndsWithExactlyTheWantedMessage, ()) {
  const auto start = *starts();
  const auto wanted = *rc::gen::inRange<std::uint32_t>(1, kSlots + 1);
  const auto batches =
      *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(1, 40));
  RingPage page;
  stand_at(page, start);
  auto front = TxFront::attach(tx(page), {start, start});
  auto back = TxBack::attach(tx(page), {start, start});
  RC_ASSERT_FALSE(back.final_check(wanted));
  std::uint32_t sent = 0;
  for (const std::uint32_t batch : batches) {
    const std::uint32_t before = sent;
    for (std::uint32_t i = 0; i < batch && front.room() > 0; ++i) front.put(request(sent++));
    const bool crosses = before < wanted && sent >= wanted;
    RC_ASSERT(front.publish() == crosses);
  }
  RC_ASSERT(back.final_check(wanted) == (sent >= wanted));
}

TEST(RingNotify, FinalCheckCountsAgainstWhatIsWanted) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  for (std::uint32_t n = 0; n < 10; ++n) front.put(request(n));
  (void)front.publish();
  EXPECT_TRUE(back.final_check(10));
  EXPECT_FALSE(back.final_check(11));
  EXPECT_TRUE(back.final_check(1));
}

// ---------------------------------------------------------------- a peer that lies

class LyingFront : public testing::TestWithParam<std::uint32_t> {};  // the start of the indexes

// H6: req_prod in {cons-1, cons+N+1, cons+2^31, backwards, anything}. cons+N is the largest honest value.
TEST_P(LyingFront, IsSeenAndNeverTakenForAnEmptyRing) {
  const std::uint32_t start = GetParam();
  RingPage page;
  stand_at(page, start);
  auto front = TxFront::attach(tx(page), {start, start});
  auto back = TxBack::attach(tx(page), {start, start});
  for (std::uint32_t n = 0; n < 20; ++n) front.put(request(n));
  (void)front.publish();
  for (std::uint32_t n = 0; n < 20; ++n) (void)back.take();
  for (std::uint32_t n = 0; n < 5; ++n) back.put(response(n));
  (void)back.publish();

  // 15 requests have no answer yet: 241 more fit.
  const std::uint32_t consumed = back.position().consumed;
  auto& word = tx(page).req_prod;
  for (const std::uint32_t honest : {0U, 1U, kSlots - 15}) {
    word.store(consumed + honest, std::memory_order_relaxed);
    EXPECT_EQ(back.pending(), honest);
  }
  const std::uint32_t lies[] = {kSlots - 14, kSlots,     kSlots + 1, 0x7fffffff, 0x80000000,
                                0x80000001,  0xffffff00, 0xfffffffe, 0xffffffff};
  for (const std::uint32_t lie : lies) {
    word.store(consumed + lie, std::memory_order_relaxed);
    EXPECT_EQ(back.pending(), std::nullopt) << "producer at consumer + " << lie;
    EXPECT_TRUE(back.final_check()) << "a lie must not put the back end to sleep: consumer + " << lie;
  }
}

TEST_P(LyingFront, FullRingIsHonestAndOneMoreIsNot) {
  const std::uint32_t start = GetParam();
  RingPage page;
  stand_at(page, start);
  auto back = TxBack::attach(tx(page), {start, start});
  tx(page).req_prod.store(start + kSlots, std::memory_order_relaxed);
  EXPECT_EQ(back.pending(), kSlots);
  tx(page).req_prod.store(start + kSlots + 1, std::memory_order_relaxed);
  EXPECT_EQ(back.pending(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Starts, LyingFront, testing::Values(0U, 0xfffffff8U, 0x7ffffffeU));

class LyingBack : public testing::TestWithParam<std::uint32_t> {};

// A back end can answer what was published and no more (netfront: "more responses than requests").
TEST_P(LyingBack, IsSeenAndNeverTakenForAnEmptyRing) {
  const std::uint32_t start = GetParam();
  RingPage page;
  stand_at(page, start);
  auto front = TxFront::attach(tx(page), {start, start});
  auto back = TxBack::attach(tx(page), {start, start});
  for (std::uint32_t n = 0; n < 30; ++n) front.put(request(n));
  (void)front.publish();
  for (std::uint32_t n = 0; n < 30; ++n) (void)back.take();
  for (std::uint32_t n = 0; n < 10; ++n) back.put(response(n));
  (void)back.publish();
  for (std::uint32_t n = 0; n < 10; ++n) (void)front.take();

  const std::uint32_t consumed = front.position().consumed;
  auto& word = tx(page).rsp_prod;
  for (const std::uint32_t honest : {0U, 1U, 20U}) {
    word.store(consumed + honest, std::memory_order_relaxed);
    EXPECT_EQ(front.pending(), honest);
  }
  for (const std::uint32_t lie : {21U, kSlots, kSlots + 1, 0x80000000U, 0xfffffff6U, 0xffffffffU}) {
    word.store(consumed + lie, std::memory_order_relaxed);
    EXPECT_EQ(front.pending(), std::nullopt) << "producer at consumer + " << lie;
    EXPECT_TRUE(front.final_check()) << "a lie must not put the front end to sleep: consumer + " << lie;
  }
}

// What was put and not yet published is unknown to an honest back end: an answer to it is a lie.
TEST_P(LyingBack, AnswersToUnpublishedRequestsAreSeen) {
  const std::uint32_t start = GetParam();
  RingPage page;
  stand_at(page, start);
  auto front = TxFront::attach(tx(page), {start, start});
  for (std::uint32_t n = 0; n < 3; ++n) front.put(request(n));
  (void)front.publish();
  for (std::uint32_t n = 3; n < 7; ++n) front.put(request(n));
  tx(page).rsp_prod.store(start + 3, std::memory_order_relaxed);
  EXPECT_EQ(front.pending(), 3U);
  tx(page).rsp_prod.store(start + 4, std::memory_order_relaxed);
  EXPECT_EQ(front.pending(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Starts, LyingBack, testing::Values(0U, 0xfffffff8U, 0x7ffffffeU));

// With hold-off a lie can be smaller than what is waited for: the end must wake, not sleep on it.
TEST(RingLie, IsSeenByAFinalCheckThatWantsMore) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  for (std::uint32_t n = 0; n < 4; ++n) front.put(request(n));
  (void)front.publish();
  tx(page).rsp_prod.store(5, std::memory_order_relaxed);
  EXPECT_TRUE(front.final_check(8)) << "5 answers to 4 requests";
}

// Any value at all in all four words: one bounded look, a count that the ring can hold or a refusal.
RC_GTEST_PROP(RingLie, AnyWordsAreBoundedWork, ()) {
  const auto words = *rc::gen::container<std::array<std::uint32_t, 4>>(rc::gen::arbitrary<std::uint32_t>());
  const auto at = *rc::gen::arbitrary<std::uint32_t>();
  const auto owed = *rc::gen::inRange<std::uint32_t>(0, kSlots + 1);
  RingPage page;
  std::memcpy(page.bytes, words.data(), sizeof words);
  auto back = TxBack::attach(tx(page), {at, at - owed});
  if (const auto count = back.pending()) {
    RC_ASSERT(*count + owed <= kSlots);
    RC_ASSERT(*count == words[0] - at);
    for (std::uint32_t i = 0; i < *count; ++i) (void)back.take();
    RC_ASSERT(back.room() == *count + owed);
  }
  auto front = TxFront::attach(tx(page), {at - owed, at});
  if (const auto count = front.pending()) {
    RC_ASSERT(*count <= owed);
    for (std::uint32_t i = 0; i < *count; ++i) (void)front.take();
  }
  (void)front.publish();
  (void)back.publish();
}

TEST(Ring, WhatIsGivenBackIsTakenAgainAndNoEventIsAskedForIt) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  for (std::uint32_t n = 0; n < 5; ++n) front.put(request(n));
  (void)front.publish();
  for (std::uint32_t n = 0; n < 5; ++n) expect_request(back.take(), n);
  back.give_back(3);
  EXPECT_EQ(back.pending(), 3U);
  EXPECT_EQ(back.position().consumed, 2U);
  EXPECT_EQ(back.room(), 2U) << "answers are owed for what is kept";
  for (std::uint32_t n = 2; n < 5; ++n) expect_request(back.take(), n);
  EXPECT_EQ(back.pending(), 0U);
}

}  // namespace
}  // namespace hush::ring
