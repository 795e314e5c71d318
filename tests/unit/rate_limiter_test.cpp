// Does a vif send at its rate, neither more nor less, whatever the packets, the queues and the lateness of
// timers?
#include "dom0/vif/rate_limiter.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <vector>

namespace hush::dom0 {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = RateLimiter::Time;
constexpr Time kStart = seconds(1000);
constexpr std::uint64_t kLargestPacket = 65535;

// What a queue sent when it was awake.
struct Sent {
  Time at;
  std::size_t queue;
  std::uint64_t bytes;
};

// Queues that always have packets, each of its own length, and threads that wake up late by what lateness()
// says.
struct Simulation {
  std::uint64_t bytes;
  microseconds interval;
  std::vector<std::uint64_t> lengths;  // of a queue's packets
  std::function<Time()> lateness = [] { return Time(0); };

  std::vector<Sent> run(Time duration) {
    auto limiter = std::make_shared<RateLimiter>(bytes, interval, kStart);
    std::vector<QueueCredit> queues(lengths.size());
    std::vector<Time> wakes(lengths.size(), kStart);
    for (auto& queue : queues) queue.limit_by(limiter);
    std::vector<Sent> sent;
    for (;;) {
      const auto first = std::min_element(wakes.begin(), wakes.end());
      const Time now = *first;
      if (now > kStart + duration) return sent;
      const auto q = static_cast<std::size_t>(first - wakes.begin());
      constexpr std::size_t kRing = 256;
      const std::size_t count = queues[q].admit(now, kRing, [&](std::size_t) { return lengths[q]; });
      if (count > 0) sent.push_back({now, q, count * lengths[q]});
      // A ring that was emptied is full again soon.
      *first = std::max(now + Time(microseconds(10)), queues[q].due() + lateness());
    }
  }
  [[nodiscard]] double rate() const {  // bytes/ns
    return static_cast<double>(bytes) / static_cast<double>(Time(interval).count());
  }
};

std::uint64_t total(const std::vector<Sent>& sent) {
  std::uint64_t sum = 0;
  for (const Sent& s : sent) sum += s.bytes;
  return sum;
}

// The most that was sent in any window beyond what the rate brings in it.
double worst_excess(const std::vector<Sent>& sent, double rate) {
  double before = 0, least = 0, worst = 0;
  bool first = true;
  for (const Sent& s : sent) {
    const double earned = rate * static_cast<double>((s.at - kStart).count());
    least = first ? before - earned : std::min(least, before - earned);
    first = false;
    before += static_cast<double>(s.bytes);
    worst = std::max(worst, before - earned - least);
  }
  return worst;
}

TEST(RateLimiter, TheBucketIsOneIntervalOrTenMilliseconds) {
  EXPECT_EQ(RateLimiter(625000, milliseconds(50), kStart).bucket(), 625000U);
  EXPECT_EQ(RateLimiter(12500, milliseconds(1), kStart).bucket(), 125000U);
  EXPECT_EQ(RateLimiter(1, microseconds(1), kStart).bucket(), 10000U);
  EXPECT_EQ(RateLimiter(1, seconds(4000), kStart).bucket(), 1U);
}

TEST(RateLimiter, ABucketfulGoesAtOnceAndTheRestAtTheRate) {
  RateLimiter limiter(1000, milliseconds(50), kStart);
  EXPECT_EQ(limiter.book(kStart, 600), kStart);
  EXPECT_EQ(limiter.book(kStart, 400), kStart);
  EXPECT_EQ(limiter.book(kStart, 1), kStart + microseconds(50));
  EXPECT_EQ(limiter.book(kStart, 999), kStart + milliseconds(50));
}

TEST(RateLimiter, SilenceFillsTheBucketAndNoMore) {
  RateLimiter limiter(1000, milliseconds(50), kStart);
  EXPECT_EQ(limiter.book(kStart, 1000), kStart);
  const Time later = kStart + seconds(3600);
  EXPECT_LE(limiter.book(later, 1000), later);
  EXPECT_EQ(limiter.book(later, 1000), later + milliseconds(50));
}

TEST(RateLimiter, APacketLargerThanTheBucketPassesAndIsPaidFor) {
  RateLimiter limiter(1000, milliseconds(50), kStart);
  EXPECT_EQ(limiter.book(kStart, 65535), kStart + Time(64535ULL * 50'000));
  EXPECT_EQ(limiter.book(kStart, 1000), kStart + Time(65535ULL * 50'000));
}

TEST(RateLimiter, ExtremesDoNotOverflow) {
  RateLimiter slowest(1, microseconds(UINT32_MAX), kStart);
  Time last = kStart;
  for (int i = 0; i < 1000; ++i) {
    const Time due = slowest.book(kStart, kLargestPacket);
    EXPECT_GE(due, last);
    last = due;
  }
  RateLimiter fastest(UINT32_MAX, microseconds(1), kStart);
  EXPECT_EQ(fastest.book(kStart, kLargestPacket), kStart);
  const Time in_a_century = kStart + std::chrono::hours(24 * 365 * 100);
  EXPECT_LE(fastest.book(in_a_century, kLargestPacket), in_a_century);
}

TEST(RateLimiter, WithinTwoPerCentOverFiveSeconds) {
  for (const auto& [bytes, interval] : std::vector<std::pair<std::uint64_t, microseconds>>{
           {62500, milliseconds(50)},      // 10 Mbit/s, as xl writes it
           {6250000, milliseconds(50)},    // 1 Gbit/s
           {2500, microseconds(20)},       // 1 Gbit/s, in tiny intervals
           {62500000, milliseconds(50)}})  // 10 Gbit/s
    for (const std::uint64_t length : {256U, 1514U, 65535U})
      for (const std::size_t queues : {1U, 8U}) {
        Simulation simulation{bytes, interval, std::vector(queues, length)};
        int turn = 0;
        simulation.lateness = [&] { return microseconds(200 * (turn++ % 16)); };  // up to 3 ms
        const auto sent = simulation.run(seconds(5));
        const auto wanted = static_cast<double>(Time(seconds(5)).count()) * simulation.rate();
        // What the full bucket gave at the start is beside the rate.
        const auto bucket = static_cast<double>(RateLimiter(bytes, interval, kStart).bucket());
        EXPECT_GT(static_cast<double>(total(sent)), wanted * 0.98)
            << bytes << " bytes each " << interval.count() << " us, " << length << ", " << queues;
        EXPECT_LT(static_cast<double>(total(sent)) - bucket, wanted * 1.02)
            << bytes << " bytes each " << interval.count() << " us, " << length << ", " << queues;
      }
}

TEST(RateLimiter, QueuesShareAlike) {
  for (const std::vector<std::uint64_t>& lengths :
       {std::vector<std::uint64_t>{1514, 1514}, {64, 1514, 65535}, std::vector<std::uint64_t>(8, 64)}) {
    Simulation simulation{1250000, milliseconds(10), lengths};  // 1 Gbit/s: a turn is 125000 bytes
    std::vector<std::uint64_t> shares(lengths.size());
    for (const Sent& s : simulation.run(seconds(2))) shares[s.queue] += s.bytes;
    const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
    EXPECT_LT(static_cast<double>(*most - *least), 0.1 * static_cast<double>(*most));
  }
}

TEST(RateLimiter, ATurnIsBookedNotAPacket) {
  Simulation simulation{1250000, milliseconds(10), {64}};  // 2 million such packets a second
  const auto sent = simulation.run(seconds(1));
  // A ring of 256 bounds what one wake sends here. Without turns it would be one packet a wake.
  EXPECT_LT(sent.size(), total(sent) / 64 / 100);
}

TEST(RateLimiter, AChangedLimitHoldsAtOnce) {
  QueueCredit queue;
  queue.limit_by(std::make_shared<RateLimiter>(1, seconds(1), kStart));
  const auto length = [](std::size_t) { return 1000U; };
  EXPECT_EQ(queue.admit(kStart, 5, length), 0U);
  EXPECT_GT(queue.due(), kStart + seconds(900));
  queue.limit_by(std::make_shared<RateLimiter>(1000, milliseconds(50), kStart));
  EXPECT_EQ(queue.admit(kStart, 5, length), 1U);
  queue.limit_by(nullptr);
  EXPECT_FALSE(queue.limited());
}

// A guest may write other lengths into the ring while its packets wait.
TEST(RateLimiter, LengthsThatChangeWhileTheyWaitArePaidFor) {
  QueueCredit queue;
  queue.limit_by(std::make_shared<RateLimiter>(1000, milliseconds(50), kStart));
  EXPECT_EQ(queue.admit(kStart, 1, [](std::size_t) { return 1100U; }), 0U);
  const Time due = queue.due();
  EXPECT_EQ(due, kStart + milliseconds(5));
  EXPECT_EQ(queue.admit(due, 1, [](std::size_t) { return 60000U; }), 0U);
  EXPECT_EQ(queue.due(), kStart + Time(59000ULL * 50'000));
  // Shorter than it was booked: the rest is for the next packets.
  const Time paid = queue.due();
  EXPECT_EQ(queue.admit(paid, 1, [](std::size_t) { return 60U; }), 1U);
  EXPECT_EQ(queue.admit(paid, 256, [](std::size_t) { return 1000U; }), 59U);
}

// Any rate, any packets, any number of queues: no window has more than the rate and the bucket (or the
// largest turn).
RC_GTEST_PROP(RateLimiterProperty, NeverMoreThanTheBucketAndTheRate, ()) {
  Simulation simulation{*rc::gen::inRange<std::uint64_t>(100, 100'000),
                        microseconds(*rc::gen::inRange<std::int64_t>(1000, 20'000)),
                        {}};
  const auto queues = *rc::gen::inRange<std::size_t>(1, 9);
  for (std::size_t i = 0; i < queues; ++i)
    simulation.lengths.push_back(*rc::gen::inRange<std::uint64_t>(64, kLargestPacket + 1));
  const RateLimiter limiter(simulation.bytes, simulation.interval, kStart);
  const auto sent = simulation.run(milliseconds(60));
  const auto largest = *std::max_element(simulation.lengths.begin(), simulation.lengths.end());
  const auto turn = std::max(limiter.turn(), largest);
  RC_ASSERT(worst_excess(sent, simulation.rate()) <=
            static_cast<double>(std::max(limiter.bucket(), turn) + queues * (limiter.turn() + largest)) +
                8.0 /* rounding */);
}

// Late wakes add what each queue had booked and not sent, and nothing else; and none of the rate is lost by
// them.
RC_GTEST_PROP(RateLimiterProperty, LateWakesLoseNothing, ()) {
  Simulation simulation{*rc::gen::inRange<std::uint64_t>(10'000, 200'000),
                        microseconds(*rc::gen::inRange<std::int64_t>(1000, 50'000)),
                        {}};
  const auto queues = *rc::gen::inRange<std::size_t>(1, 9);
  for (std::size_t i = 0; i < queues; ++i)
    simulation.lengths.push_back(*rc::gen::inRange<std::uint64_t>(64, 1515));
  std::uint64_t random = *rc::gen::inRange<std::uint64_t>(1, UINT32_MAX);
  simulation.lateness = [&random] {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    return Time((random >> 33) % 4'000'000);  // up to 4 ms
  };
  const RateLimiter limiter(simulation.bytes, simulation.interval, kStart);
  const auto sent = simulation.run(milliseconds(200));
  const auto turns = static_cast<double>(queues * (limiter.turn() + 1514));
  const auto bucket = static_cast<double>(limiter.bucket());
  RC_ASSERT(worst_excess(sent, simulation.rate()) <= bucket + 2 * turns);
  RC_ASSERT(static_cast<double>(total(sent)) >= simulation.rate() * 200e6 - turns);
}

// Many threads book from one line: nothing is booked twice, nothing is lost.
TEST(RateLimiter, ThreadsShareOneLine) {
  RateLimiter limiter(1000000, milliseconds(10), kStart);
  constexpr int kThreads = 4, kBookings = 20000;
  std::vector<std::thread> threads;
  std::vector<std::vector<Time>> dues(kThreads);
  for (auto& mine : dues)
    threads.emplace_back([&limiter, &mine] {
      for (int i = 0; i < kBookings; ++i) mine.push_back(limiter.book(kStart, 100));
    });
  for (auto& thread : threads) thread.join();
  std::vector<Time> all;
  for (const auto& mine : dues) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all.back(), kStart + Time((kThreads * kBookings * 100LL - 1000000) * 10));
  std::sort(all.begin(), all.end());
  const auto after_bucket = std::upper_bound(all.begin(), all.end(), kStart);
  EXPECT_EQ(std::adjacent_find(after_bucket, all.end()), all.end()) << "a place in the line was given twice";
}

}  // namespace
}  // namespace hush::dom0
