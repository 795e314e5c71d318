// Can an event be lost on the area path? common/area/packet_ring.hpp itself, with words whose stores linger
// in a store buffer, in every order there is. Its mutants (tests/mutants/area-*) show what this finds.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "common/area/packet_ring.hpp"
#include "tests/model/explorer.hpp"

namespace hush::model {
namespace {

template <std::uint32_t Size>
struct Direction {
  area::Words<Word> words;
  Event to_consumer, to_producer;
  alignas(128) std::array<std::byte, Size> memory{};
  shm::ByteRing ring{memory.data(), Size};
};

constexpr std::uint32_t kFrame = 16;  // a record of 32 bytes

// Sends that many frames, each published by itself, and sleeps for room. more: where it is not to tell of
// each at once.
template <class Shared>
void produce(Shared& shared, area::Producer<Word>& producer, int frames, bool more = false) {
  while (frames > 0) {
    if (producer.reserve(kFrame)) {
      producer.commit({.length = kFrame});
      if (more ? producer.publish_more() : producer.publish()) shared.to_consumer.send();
      --frames;
    } else if (producer.fault() != area::Fault::none) {
      return;
    } else {
      if ((producer.unpublished() || producer.untold()) && producer.publish()) shared.to_consumer.send();
      if (!producer.wait_for_room(kFrame)) continue;
      shared.to_producer.wait();
      producer.awake();
    }
  }
  if (producer.untold() && producer.publish()) shared.to_consumer.send();
}
// Takes that many frames, and sleeps for each that is not there.
template <class Shared>
void consume(Shared& shared, area::Consumer<Word>& consumer, int frames) {
  while (frames > 0) {
    area::Frame frame;
    if (consumer.peek(frame)) {
      --frames;
      continue;
    }
    if (consumer.fault() != area::Fault::none) return;
    if (consumer.unreleased() && consumer.release()) shared.to_producer.send();
    if (!consumer.may_sleep()) continue;
    shared.to_consumer.wait();
    consumer.awake();
  }
  if (consumer.release()) shared.to_producer.send();
}

template <std::uint32_t Size>
Threads pair_of(int frames, bool more = false) {
  auto shared = std::make_shared<Direction<Size>>();
  return {[=] {
            area::Producer<Word> producer(shared->words, shared->ring, area::max_frame_of(Size));
            produce(*shared, producer, frames, more);
          },
          [=] {
            area::Consumer<Word> consumer(shared->words, shared->ring, area::max_frame_of(Size));
            consume(*shared, consumer, frames);
          }};
}

class Wake : public testing::TestWithParam<Order> {
 protected:
  void expect_no_hang(const std::function<Threads()>& setup) {
    const Findings found = explore(GetParam(), setup);
    EXPECT_EQ(found.hang, "");
    EXPECT_GT(found.ends, 0U);
  }
};

TEST_P(Wake, AConsumerThatSleepsIsWoken) {
  expect_no_hang([] { return pair_of<1024>(3); });
}

// One frame fills this ring, so that each end waits for the other.
TEST_P(Wake, AProducerThatWaitsForRoomIsWoken) {
  expect_no_hang([] { return pair_of<64>(3); });
}

// Several frames become visible before the producer looks with a fence, and it must look before it rests.
TEST_P(Wake, AConsumerThatFallsAsleepInAStreamIsWoken) {
  expect_no_hang([] { return pair_of<1024>(3, true); });
}
TEST_P(Wake, AProducerInAStreamThatWaitsForRoomIsWoken) {
  expect_no_hang([] { return pair_of<64>(2, true); });
}

// The consumer is killed in its sleep and starts anew: the numbers go on, and the producer must not take the
// next sleep for the one that it has notified for.
Threads restarted(bool numbers_go_on) {
  struct Shared : Direction<1024> {
    std::uint32_t last_sleep = 0;
  };
  auto shared = std::make_shared<Shared>();
  return {[=] {
            area::Producer<Word> producer(shared->words, shared->ring, area::max_frame_of(1024));
            produce(*shared, producer, 2);
          },
          [=] {
            area::Consumer<Word> first(shared->words, shared->ring, area::max_frame_of(1024));
            consume(*shared, first, 1);
            area::Consumer<Word> second(shared->words, shared->ring, area::max_frame_of(1024),
                                        area::span_of(kFrame), numbers_go_on ? first.last_sleep() : 0);
            consume(*shared, second, 1);
          }};
}
TEST_P(Wake, ARestartGoesOnWithTheNumbers) {
  expect_no_hang([] { return restarted(true); });
  EXPECT_NE(explore(GetParam(), [] { return restarted(false); }).hang, "")
      << "numbers that start again must be seen to hang";
}

INSTANTIATE_TEST_SUITE_P(Memory, Wake, testing::Values(Order::tso, Order::pso),
                         [](const auto& what) { return what.param == Order::tso ? "TSO" : "PSO"; });

// ---- the explorer itself: it must find what is known to go wrong, and only that.

// Dekker's store and load, each end with `order`: if both see nothing, both wait for ever.
Threads dekker(std::memory_order order) {
  struct Shared {
    Word a, b;
    Event woken[2];
  };
  auto shared = std::make_shared<Shared>();
  const auto end = [=](Word Shared::*mine, Word Shared::*other, int self) {
    return [=] {
      ((*shared).*mine).store(1, order);
      if (((*shared).*other).load(order) != 0)
        shared->woken[1 - self].send();
      else
        shared->woken[self].wait();
    };
  };
  return {end(&Shared::a, &Shared::b, 0), end(&Shared::b, &Shared::a, 1)};
}
TEST(Explorer, FindsTheStoreBufferAndAcceptsTheFence) {
  for (const Order memory : {Order::tso, Order::pso}) {
    EXPECT_NE(explore(memory, [] { return dekker(std::memory_order_release); }).hang, "");
    EXPECT_NE(explore(memory, [] { return dekker(std::memory_order_relaxed); }).hang, "");
    EXPECT_EQ(explore(memory, [] { return dekker(std::memory_order_seq_cst); }).hang, "");
  }
}

// Two stores of one thread may be seen in the other order under PSO, unless the second is a release.
Threads message(std::memory_order second) {
  struct Shared {
    Word data, flag;
    Event never;
  };
  auto shared = std::make_shared<Shared>();
  return {[=] {
            shared->data.store(1, std::memory_order_relaxed);
            shared->flag.store(1, second);
          },
          [=] {
            if (shared->flag.load(std::memory_order_acquire) == 1 &&
                shared->data.load(std::memory_order_relaxed) == 0)
              shared->never.wait();
          }};
}
TEST(Explorer, PsoReordersStoresAndTsoDoesNot) {
  EXPECT_EQ(explore(Order::tso, [] { return message(std::memory_order_relaxed); }).hang, "");
  EXPECT_NE(explore(Order::pso, [] { return message(std::memory_order_relaxed); }).hang, "");
  EXPECT_EQ(explore(Order::pso, [] { return message(std::memory_order_release); }).hang, "");
}

}  // namespace
}  // namespace hush::model
