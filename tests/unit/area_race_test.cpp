// Is a wake-up of the area path ever lost between two real threads? And would this harness notice? The same
// rounds run on words whose fences are taken out, and there they must lose some.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>

#include "common/area/packet_ring.hpp"
#include "tests/support/meeting.hpp"

// A sanitizer's own work between two accesses drains the store buffer, and takes its time.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define HUSH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define HUSH_SANITIZED 1
#endif
#endif

namespace hush::area {
namespace {

using test::Meeting;

// A word that orders as acquire and release do, and no more.
class UnfencedWord {
 public:
  [[nodiscard]] std::uint32_t load(std::memory_order) const { return raw_.load(std::memory_order_acquire); }
  void store(std::uint32_t value, std::memory_order) { raw_.store(value, std::memory_order_release); }

 private:
  std::atomic<std::uint32_t> raw_{0};
};
class FencedWord {
 public:
  [[nodiscard]] std::uint32_t load(std::memory_order order) const { return raw_.load(order); }
  void store(std::uint32_t value, std::memory_order order) { raw_.store(value, order); }

 private:
  std::atomic<std::uint32_t> raw_{0};
};

constexpr std::uint32_t kSize = 4096;
struct Memory {
  alignas(128) std::byte bytes[kSize];
};

// HUSH_RACES: how many rounds, for the long run (10^8).
unsigned races() {
  const char* wanted = std::getenv("HUSH_RACES");
#ifdef HUSH_SANITIZED
  constexpr unsigned kUsual = 100'000;
#else
  constexpr unsigned kUsual = 1'000'000;
#endif
  return wanted ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : kUsual;
}

// In each round one end publishes a frame while the other goes to sleep. Either the producer is told to send
// an event, or the consumer sees the frame: if neither, it sleeps for ever. Half of the rounds without any
// delay before them: a delay drains the store buffer and hides the bug.
template <class Word>
unsigned lost_by_the_consumer(unsigned rounds) {
  auto memory = std::make_unique<Memory>();
  auto words = std::make_unique<Words<Word>>();
  Producer<Word> producer(*words, shm::ByteRing(memory->bytes, kSize), max_frame_of(kSize));
  Consumer<Word> consumer(*words, shm::ByteRing(memory->bytes, kSize), max_frame_of(kSize));
  Meeting start, end;
  bool sleeps = false, told = false;
  unsigned lost = 0;
  std::thread other([&] {
    for (unsigned i = 0; i < rounds; ++i) {
      start.wait();
      sleeps = consumer.may_sleep();
      end.wait();
      consumer.awake();
      Frame frame;
      while (!consumer.peek(frame)) std::this_thread::yield();
      (void)consumer.release();
      end.wait();
    }
  });
  for (unsigned i = 0; i < rounds; ++i) {
    std::byte* const place = producer.reserve(kMinFrame);
    if (!place) std::abort();
    producer.commit({.length = kMinFrame});
    start.wait();
    for (unsigned delay = i % 2 ? i % 64 : 0; delay > 0; --delay)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    told = producer.publish();
    end.wait();
    lost += sleeps && !told;
    end.wait();
  }
  other.join();
  return lost;
}

// The same of the room word: the ring is full, the producer goes to sleep while the consumer gives room back.
template <class Word>
unsigned lost_by_the_producer(unsigned rounds) {
  auto memory = std::make_unique<Memory>();
  auto words = std::make_unique<Words<Word>>();
  constexpr std::uint32_t kLength = max_frame_of(kSize);  // half of the ring
  Producer<Word> producer(*words, shm::ByteRing(memory->bytes, kSize), kLength);
  Consumer<Word> consumer(*words, shm::ByteRing(memory->bytes, kSize), kLength);
  Meeting start, end;
  bool sleeps = false, told = false;
  unsigned lost = 0;
  std::thread other([&] {
    for (unsigned i = 0; i < rounds; ++i) {
      start.wait();
      sleeps = producer.wait_for_room(kLength);
      end.wait();
      producer.awake();
      end.wait();
    }
  });
  for (unsigned i = 0; i < rounds; ++i) {
    while (producer.reserve(kLength)) producer.commit({.length = kLength});
    (void)producer.publish();
    Frame frame;
    while (consumer.peek(frame)) {
    }
    start.wait();
    told = consumer.release();
    end.wait();
    lost += sleeps && !told;
    end.wait();
  }
  other.join();
  return lost;
}

TEST(AreaRace, AFrameIsNeverLostBetweenPublishAndSleep) {
  EXPECT_EQ(lost_by_the_consumer<FencedWord>(races()), 0U);
}
TEST(AreaRace, RoomIsNeverLostBetweenReleaseAndSleep) {
  EXPECT_EQ(lost_by_the_producer<FencedWord>(races()), 0U);
}

#ifndef HUSH_SANITIZED
TEST(AreaRace, WithoutFencesThisHarnessLosesSome) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor cannot race itself";
  unsigned rounds = 0, lost = 0;
  // At least one in 10^4, wherever the two threads happen to run.
  do {
    rounds += 100'000;
    lost += lost_by_the_consumer<UnfencedWord>(100'000);
  } while (lost == 0 && rounds < 4'000'000);
  RecordProperty("lost", static_cast<int>(lost));
  RecordProperty("rounds", static_cast<int>(rounds));
  EXPECT_GE(lost, 1U) << "of " << rounds;
}
#endif

}  // namespace
}  // namespace hush::area
