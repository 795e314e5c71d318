// Is a wake-up ever lost between two real threads? Sequence numbers and notifications, through one page.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <thread>

#include "common/netif/wire.hpp"
#include "tests/support/meeting.hpp"
#include "tests/support/xen_ring.hpp"

namespace hush::ring {
namespace {

using netif::TxBack, netif::TxFront, netif::TxRequest, netif::TxResponse, netif::TxSring;
using test::Meeting, test::RingPage;

TxSring& tx(RingPage& page) {
  return shm::layout_at<TxSring>(page.bytes);
}

// The race itself, over and over: one end publishes a message while the other arms and looks again. At least
// one of the two must see the other, or the message waits for ever. A release store with an acquire load
// loses this on any x86 machine within a few thousand rounds (reliability.md 3.1: Dekker).
constexpr int kRaces = 400'000;

TEST(RingRace, ARequestIsNeverLostBetweenPublishAndFinalCheck) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  Meeting start, end;
  bool notified = false, seen = false;
  int lost = 0;
  std::thread back_thread([&] {
    for (int i = 0; i < kRaces; ++i) {
      start.wait();
      seen = back.final_check();
      end.wait();
      // Answered outside the race, before the next one.
      while (back.pending().value() == 0) std::this_thread::yield();
      const TxRequest r = back.take();
      back.put(TxResponse{r.id, 0});
      (void)back.publish();
    }
  });
  for (int i = 0; i < kRaces; ++i) {
    while (front.room() < 2) {
      if (front.pending().value() > 0)
        (void)front.take();
      else
        std::this_thread::yield();
    }
    front.put(TxRequest{1, 2, 0, static_cast<std::uint16_t>(i), 60});
    start.wait();
    notified = front.publish();
    end.wait();
    lost += !notified && !seen;
  }
  back_thread.join();
  EXPECT_EQ(lost, 0) << "of " << kRaces;
}

TEST(RingRace, AResponseIsNeverLostBetweenPublishAndFinalCheck) {
  RingPage page;
  auto front = TxFront::create(tx(page));
  auto back = TxBack::attach(tx(page), {});
  Meeting start, end;
  bool notified = false, seen = false;
  int lost = 0;
  std::thread front_thread([&] {
    for (int i = 0; i < kRaces; ++i) {
      front.put(TxRequest{1, 2, 0, static_cast<std::uint16_t>(i), 60});
      (void)front.publish();
      start.wait();
      seen = front.final_check();
      end.wait();
      while (front.pending().value() == 0) std::this_thread::yield();
      (void)front.take();
    }
  });
  for (int i = 0; i < kRaces; ++i) {
    while (back.pending().value() == 0) std::this_thread::yield();
    const TxRequest r = back.take();
    back.put(TxResponse{r.id, 0});
    start.wait();
    notified = back.publish();
    end.wait();
    lost += !notified && !seen;
  }
  front_thread.join();
  EXPECT_EQ(lost, 0) << "of " << kRaces;
}

// An event channel as the rings use it: latched, taken as a whole. A wait that nobody ends is a lost wake-up:
// it is not timed, the test's own time-out ends it.
class Event {
 public:
  void notify() {
    set_.store(true, std::memory_order_seq_cst);
    set_.notify_one();
    ++sent;
  }
  void wait() {
    set_.wait(false, std::memory_order_seq_cst);
    set_.store(false, std::memory_order_seq_cst);
  }
  std::uint32_t sent = 0;  // by the one thread that notifies

 private:
  std::atomic<bool> set_{false};
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine_() % limit); }

 private:
  std::minstd_rand engine_;
};

// A long exchange with random batch sizes and hold-offs on both sides. Everything arrives once, in order.
TEST(RingStress, TwoThreadsExchangeEverythingInOrder) {
  constexpr std::uint32_t kMessages = 300'000, kStart = 0xffff0000;  // wraps on the way
  RingPage page;
  for (auto* word : {&tx(page).req_prod, &tx(page).rsp_prod}) word->store(kStart, std::memory_order_relaxed);
  for (auto* word : {&tx(page).req_event, &tx(page).rsp_event})
    word->store(kStart + 1, std::memory_order_relaxed);
  Event to_back, to_front;
  std::uint32_t wrong_requests = 0, wrong_responses = 0, sleeps = 0;

  std::thread back_thread([&] {
    auto back = TxBack::attach(tx(page), {kStart, kStart});
    Random random(1);
    std::uint32_t seen = 0;
    while (seen < kMessages) {
      std::uint32_t batch = std::min<std::uint32_t>(back.pending().value(), 1 + random.below(90));
      for (; batch > 0; --batch, ++seen) {
        const TxRequest r = back.take();
        wrong_requests += r.gref != seen || r.offset != (seen & 0xfff) || r.id != (seen & 0xffff) ||
                          r.size != 14 + seen % 1000;
        back.put(TxResponse{r.id, static_cast<std::int16_t>(seen % 3)});
      }
      if (back.publish()) to_front.notify();
      // The last requests come without company: no hold-off for those.
      if (back.pending().value() == 0 && seen < kMessages && !back.final_check()) to_back.wait();
    }
  });

  auto front = TxFront::attach(tx(page), {kStart, kStart});
  Random random(2);
  std::uint32_t sent = 0, done = 0;
  while (done < kMessages) {
    for (std::uint32_t batch = 1 + random.below(120); batch > 0 && sent < kMessages && front.room() > 0;
         --batch, ++sent)
      front.put(TxRequest{sent, static_cast<std::uint16_t>(sent & 0xfff), 0, static_cast<std::uint16_t>(sent),
                          static_cast<std::uint16_t>(14 + sent % 1000)});
    if (front.publish()) to_back.notify();
    for (std::uint32_t count = front.pending().value(); count > 0; --count, ++done) {
      const TxResponse r = front.take();
      wrong_responses += r.id != (done & 0xffff) || r.status != static_cast<std::int16_t>(done % 3);
    }
    const std::uint32_t out = sent - done;
    if (out > 0 && (front.room() == 0 || sent == kMessages) && !front.final_check(1 + random.below(out))) {
      to_front.wait();
      ++sleeps;
    }
  }
  back_thread.join();
  EXPECT_EQ(wrong_requests, 0U);
  EXPECT_EQ(wrong_responses, 0U);
  EXPECT_EQ(front.position().consumed, kStart + kMessages);
  RecordProperty("notifications_to_back", static_cast<int>(to_back.sent));
  RecordProperty("notifications_to_front", static_cast<int>(to_front.sent));
  RecordProperty("front_end_sleeps", static_cast<int>(sleeps));
  EXPECT_LT(to_back.sent, kMessages) << "batches cost one notification at most";
}

}  // namespace
}  // namespace hush::ring
