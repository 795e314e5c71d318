// Do frames cross a packet ring whole and in order, does each end see through an index or a record that lies,
// and is there exactly one event for a sleep?
#include "common/area/packet_ring.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

namespace hush::area {
namespace {

constexpr std::uint32_t kSize = 4096;
constexpr std::uint32_t kLongest = max_frame_of(kSize);

// Memory that both ends share, and the two ends.
struct Pair {
  explicit Pair(std::uint32_t size = kSize, std::uint32_t at = 0, std::uint32_t longest = 0)
      : memory(new (std::align_val_t{128}) std::byte[size]),
        ring(memory.get(), size),
        producer(words, ring, longest ? longest : max_frame_of(size), at),
        consumer(words, ring, longest ? longest : max_frame_of(size), at) {
    std::memset(memory.get(), 0xab, size);
    words.produced.store(at, std::memory_order_relaxed);
    words.consumed.store(at, std::memory_order_relaxed);
    words.mode.store(0, std::memory_order_relaxed);
    words.room.store(0, std::memory_order_relaxed);
  }
  struct Free {
    void operator()(std::byte* p) const { operator delete[](p, std::align_val_t{128}); }
  };
  std::unique_ptr<std::byte[], Free> memory;
  alignas(128) std::byte word_bytes[sizeof(SharedWords)];
  SharedWords& words = shm::layout_at<SharedWords>(word_bytes);
  shm::ByteRing ring;
  SharedProducer producer;
  SharedConsumer consumer;
};

// Frame number n: its length and all its bytes follow from n.
std::byte byte_of(std::uint32_t n, std::size_t i) {
  return static_cast<std::byte>((n + 1) * 31 + i * 7);
}

bool send(SharedProducer& producer, std::uint32_t n, std::uint32_t length) {
  std::byte* room = producer.reserve(length);
  if (!room) return false;
  for (std::size_t i = 0; i < length; ++i) room[i] = byte_of(n, i);
  producer.commit({.length = length, .segment_size = static_cast<std::uint16_t>(n + 3)});
  return true;
}
void expect_frame(const Frame& frame, std::uint32_t n, std::uint32_t length) {
  ASSERT_EQ(frame.record.length, length) << "frame " << n;
  ASSERT_EQ(frame.record.segment_size, static_cast<std::uint16_t>(n + 3)) << "frame " << n;
  ASSERT_EQ(frame.bytes.size(), length);
  for (std::size_t i = 0; i < length; ++i)
    ASSERT_EQ(frame.bytes[i], byte_of(n, i)) << "frame " << n << " byte " << i;
}

TEST(PacketRing, AFrameCrossesWholeWithItsHeader) {
  Pair pair;
  std::byte* room = pair.producer.reserve(100);
  ASSERT_NE(room, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room) % 16, 0U);
  std::memset(room, 0x5a, 100);
  const Record sent{.length = 100,
                    .flags = kNeedsChecksum,
                    .segmentation = kSegmentTcp6,
                    .header_length = 74,
                    .segment_size = 1440,
                    .checksum_start = 54,
                    .checksum_offset = 16};
  pair.producer.commit(sent);
  Frame frame;
  EXPECT_FALSE(pair.consumer.peek(frame)) << "not published yet";
  EXPECT_FALSE(pair.producer.publish()) << "nobody sleeps";
  ASSERT_TRUE(pair.consumer.peek(frame));
  EXPECT_EQ(std::memcmp(&frame.record, &sent, sizeof sent), 0);
  EXPECT_EQ(frame.bytes.data(), room) << "read in place";
  EXPECT_EQ(frame.bytes[99], std::byte{0x5a});
  EXPECT_FALSE(pair.consumer.peek(frame));
  EXPECT_FALSE(pair.consumer.release());
  EXPECT_EQ(pair.words.consumed.load(std::memory_order_relaxed), 128U) << "16, 100, and padding";
}

TEST(PacketRing, LayoutIsThatOfTheSpecification) {
  EXPECT_EQ(offsetof(SharedWords, produced), 0U);
  EXPECT_EQ(offsetof(SharedWords, consumed), 128U);
  EXPECT_EQ(offsetof(SharedWords, mode), 256U);
  EXPECT_EQ(offsetof(SharedWords, room), 384U);
  Pair pair;
  std::memset(pair.producer.reserve(1), 1, 1);
  pair.producer.commit({.length = 0x01020304 & 0xff,
                        .kind = Kind{0x0605},
                        .flags = 7,
                        .segmentation = 8,
                        .header_length = 0x0a09,
                        .segment_size = 0x0c0b,
                        .checksum_start = 0x0e0d,
                        .checksum_offset = 0x100f});
  for (std::size_t i = 4; i < 16; ++i) EXPECT_EQ(pair.memory[i], std::byte(i + 1)) << i;
}

TEST(PacketRing, ALongFrameThatDoesNotFitBeforeTheEndBeginsAtTheStart) {
  Pair pair;
  Frame frame;
  ASSERT_TRUE(send(pair.producer, 1, kLongest));  // the first half
  ASSERT_TRUE(send(pair.producer, 2, 1000));
  (void)pair.producer.publish();
  ASSERT_TRUE(pair.consumer.peek(frame));
  (void)pair.consumer.release();
  // 1024 bytes are left to the end, and the first half is free.
  ASSERT_TRUE(send(pair.producer, 3, kLongest - 16));
  (void)pair.producer.publish();
  ASSERT_TRUE(pair.consumer.peek(frame));
  ASSERT_NO_FATAL_FAILURE(expect_frame(frame, 2, 1000));
  ASSERT_TRUE(pair.consumer.peek(frame));
  ASSERT_NO_FATAL_FAILURE(expect_frame(frame, 3, kLongest - 16));
  EXPECT_EQ(frame.bytes.data(), pair.memory.get() + 16);
  EXPECT_EQ(pair.consumer.fault(), Fault::none);
}

// The longest frame must pass whatever the position; the skip before it is published alone where both do not
// fit.
TEST(PacketRing, TheLongestFramePassesFromEveryPosition) {
  for (std::uint32_t at = 0; at < kSize; at += 16) {
    Pair pair(kSize, at);
    Frame frame;
    for (std::uint32_t n = 1; n <= 3; ++n) {
      while (!send(pair.producer, n, kLongest)) {
        (void)pair.producer.publish();
        ASSERT_FALSE(pair.consumer.peek(frame));
        ASSERT_TRUE(pair.consumer.unreleased()) << "at " << at << ": nothing that could make room";
        (void)pair.consumer.release();
      }
      (void)pair.producer.publish();
      ASSERT_TRUE(pair.consumer.peek(frame)) << "at " << at;
      ASSERT_NO_FATAL_FAILURE(expect_frame(frame, n, kLongest));
      (void)pair.consumer.release();
    }
  }
}

TEST(PacketRing, SixteenBytesAreAlwaysKept) {
  Pair pair;
  std::uint32_t frames = 0;
  while (send(pair.producer, frames, 16)) ++frames;
  EXPECT_EQ(frames, kSize / 32 - 1);
  EXPECT_EQ(pair.producer.fault(), Fault::none);
}

RC_GTEST_PROP(PacketRingProperty, FramesCrossInOrder, ()) {
  const auto size = 1U << *rc::gen::inRange(12, 15);
  const auto start = *rc::gen::element(0U, 0xffff'f000U, 0xffff'fff0U, 0x7fff'fff0U);
  Pair pair(size, start & ~15U);
  std::deque<std::pair<std::uint32_t, std::uint32_t>> under_way;  // number, length
  std::uint32_t next = 1;
  const auto steps = *rc::gen::container<std::vector<std::uint32_t>>(200, rc::gen::inRange(0U, 1U << 20));
  for (const std::uint32_t step : steps) {
    if (step % 3 != 0) {
      const std::uint32_t length = kMinFrame + (step >> 2) % (max_frame_of(size) - kMinFrame + 1);
      if (send(pair.producer, next, length)) under_way.emplace_back(next++, length);
    } else {
      (void)pair.producer.publish();
      Frame frame;
      for (std::uint32_t i = 0; i < step / 3 % 5 && pair.consumer.peek(frame); ++i) {
        RC_ASSERT(!under_way.empty());
        RC_ASSERT(frame.record.length == under_way.front().second);
        for (std::size_t b = 0; b < frame.bytes.size(); ++b)
          RC_ASSERT(frame.bytes[b] == byte_of(under_way.front().first, b));
        under_way.pop_front();
      }
      (void)pair.consumer.release();
    }
    RC_ASSERT(pair.producer.fault() == Fault::none);
    RC_ASSERT(pair.consumer.fault() == Fault::none);
  }
}

// ---- what a peer may write

TEST(PacketRingFault, AProducedIndexThatCannotBe) {
  const std::pair<std::uint32_t, Fault> lies[] = {
      {8, Fault::produced_unaligned},
      {kSize, Fault::produced_impossible},
      {kSize - 16, Fault::none},
      {0x8000'0000U, Fault::produced_impossible},
      {static_cast<std::uint32_t>(-16), Fault::produced_impossible}};
  for (const auto& [index, fault] : lies) {
    Pair pair;
    pair.ring.put(0, Record{.length = 100});
    pair.words.produced.store(index, std::memory_order_relaxed);
    Frame frame;
    EXPECT_EQ(pair.consumer.peek(frame), fault == Fault::none) << index;
    EXPECT_EQ(pair.consumer.fault(), fault) << index << ": " << to_text(pair.consumer.fault());
    EXPECT_EQ(pair.consumer.peek(frame) && fault != Fault::none, false) << "a fault is final";
  }
}

TEST(PacketRingFault, AProducedIndexThatGoesBack) {
  Pair pair;
  Frame frame;
  pair.ring.put(0, Record{.length = 16});
  pair.ring.put(32, Record{.length = 16});
  pair.words.produced.store(64, std::memory_order_relaxed);
  ASSERT_TRUE(pair.consumer.peek(frame) && pair.consumer.peek(frame));
  pair.words.produced.store(32, std::memory_order_relaxed);
  EXPECT_FALSE(pair.consumer.peek(frame));
  EXPECT_EQ(pair.consumer.fault(), Fault::produced_impossible);
}

TEST(PacketRingFault, AConsumedIndexThatCannotBe) {
  const std::pair<std::uint32_t, Fault> lies[] = {
      {8, Fault::consumed_unaligned},
      {2048 + 16, Fault::consumed_impossible},
      {2048, Fault::none},
      {static_cast<std::uint32_t>(-16), Fault::consumed_impossible}};
  for (const auto& [index, fault] : lies) {
    Pair pair;
    ASSERT_TRUE(send(pair.producer, 1, kLongest));
    (void)pair.producer.publish();
    pair.words.consumed.store(index, std::memory_order_relaxed);
    EXPECT_EQ(pair.producer.reserve(kLongest) != nullptr, fault == Fault::none) << index;
    EXPECT_EQ(pair.producer.fault(), fault) << index;
    EXPECT_EQ(pair.producer.reserve(14) != nullptr, fault == Fault::none) << "a fault is final";
  }
}

TEST(PacketRingFault, TheFirstFaultIsTheReason) {
  Pair pair;
  pair.words.consumed.store(8, std::memory_order_relaxed);
  pair.producer.look();
  pair.words.consumed.store(16, std::memory_order_relaxed);
  pair.producer.look();
  EXPECT_EQ(pair.producer.fault(), Fault::consumed_unaligned);
}

TEST(PacketRingFault, WhatIsNotPublishedCannotHaveBeenConsumed) {
  Pair pair;
  ASSERT_TRUE(send(pair.producer, 1, kLongest));
  pair.words.consumed.store(2048, std::memory_order_relaxed);
  EXPECT_EQ(pair.producer.reserve(kLongest), nullptr);
  EXPECT_EQ(pair.producer.fault(), Fault::consumed_impossible);
}

TEST(PacketRingFault, ARecordThatMayNotStandThere) {
  struct Lie {
    std::uint32_t at;
    Record record;
    Fault fault;
  };
  const Lie lies[] = {
      {0, {.length = 13}, Fault::frame_too_short},
      {0, {.length = 0}, Fault::frame_too_short},
      {0, {.length = 1515}, Fault::frame_too_long},
      {0, {.length = 0xffff'ffff}, Fault::frame_too_long},
      {0, {.length = 100, .kind = Kind{3}}, Fault::kind_unknown},
      {0, {.kind = Kind::switch_over}, Fault::switch_unasked},
      {0, {.length = 16, .kind = Kind::skip}, Fault::skip_not_to_the_end},
      {4096 - 512, {.length = 512, .kind = Kind::skip}, Fault::skip_not_to_the_end},
      {4096 - 512, {.length = 512 - 16 - 16, .kind = Kind::skip}, Fault::skip_not_to_the_end},
      {4096 - 512, {.length = 512 - 16, .kind = Kind::skip}, Fault::record_beyond_produced},
      {4096 - 512, {.length = 512 - 15}, Fault::record_crosses_end},
      {4096 - 512, {.length = 512 - 16}, Fault::record_beyond_produced},
      {0, {.length = 242}, Fault::record_beyond_produced},
      {0, {.length = 241 - 1}, Fault::none},
  };
  for (const Lie& lie : lies) {
    Pair pair(kSize, lie.at, 1514);
    pair.ring.put(lie.at, lie.record);
    pair.words.produced.store(lie.at + 256, std::memory_order_relaxed);
    Frame frame;
    EXPECT_EQ(pair.consumer.peek(frame), lie.fault == Fault::none);
    EXPECT_EQ(pair.consumer.fault(), lie.fault)
        << to_text(lie.fault) << ", but " << to_text(pair.consumer.fault());
    EXPECT_FALSE(pair.consumer.unreleased() && lie.fault != Fault::none) << "nothing of a lie is taken";
  }
}

TEST(PacketRingRecord, OffloadFieldsMustAgree) {
  const Record plain{.length = 100};
  EXPECT_TRUE(offload_is_sound(plain));
  const Record blank{.length = 100, .flags = kNeedsChecksum, .checksum_start = 34, .checksum_offset = 16};
  EXPECT_TRUE(offload_is_sound(blank));
  auto with = [](Record record, auto change) {
    change(record);
    return offload_is_sound(record);
  };
  EXPECT_TRUE(with(blank, [](Record& r) { r.checksum_start = 82; }));
  EXPECT_FALSE(with(blank, [](Record& r) { r.checksum_start = 83; }));
  EXPECT_FALSE(with(blank, [](Record& r) {
    r.checksum_start = 0xffff;
    r.checksum_offset = 0xffff;
  }));
  EXPECT_FALSE(with(plain, [](Record& r) { r.flags = 4; }));
  EXPECT_FALSE(with(plain, [](Record& r) { r.segment_size = 1; }));
  EXPECT_TRUE(with(blank, [](Record& r) {
    r.segmentation = kSegmentTcp4 | kSegmentEcn;
    r.segment_size = 1;
  }));
  EXPECT_FALSE(with(blank, [](Record& r) { r.segmentation = kSegmentTcp4; }));
  EXPECT_FALSE(with(blank, [](Record& r) {
    r.segmentation = 3;
    r.segment_size = 1;
  })) << "UDP";
  EXPECT_FALSE(with(blank, [](Record& r) {
    r.segmentation = kSegmentEcn;
    r.segment_size = 1;
  }));
  EXPECT_FALSE(with(plain, [](Record& r) {
    r.segmentation = kSegmentTcp4;
    r.segment_size = 1;
  })) << "no checksum";
}

// ---- events

TEST(PacketRingWake, APollerIsSentNoneAndASleepOne) {
  Pair pair;
  ASSERT_TRUE(send(pair.producer, 1, 14));
  EXPECT_FALSE(pair.producer.publish());
  Frame frame;
  ASSERT_TRUE(pair.consumer.peek(frame));
  (void)pair.consumer.release();
  ASSERT_TRUE(pair.consumer.may_sleep());
  for (std::uint32_t n = 0; n < 5; ++n) {
    ASSERT_TRUE(send(pair.producer, n, 14));
    EXPECT_EQ(pair.producer.publish(), n == 0) << "one for the sleep, frame " << n;
  }
  pair.consumer.awake();
  while (pair.consumer.peek(frame)) {
  }
  (void)pair.consumer.release();
  ASSERT_TRUE(pair.consumer.may_sleep());
  ASSERT_TRUE(send(pair.producer, 9, 14));
  EXPECT_TRUE(pair.producer.publish()) << "another sleep, another event";
}

TEST(PacketRingWake, TheSecondLookSeesAFrame) {
  Pair pair;
  Frame frame;
  EXPECT_FALSE(pair.consumer.peek(frame));
  ASSERT_TRUE(send(pair.producer, 1, 14));
  EXPECT_FALSE(pair.producer.publish());
  EXPECT_FALSE(pair.consumer.may_sleep());
  EXPECT_EQ(pair.words.mode.load(std::memory_order_relaxed), 0U) << "awake";
  EXPECT_TRUE(pair.consumer.peek(frame));
}

TEST(PacketRingWake, AProducerWithoutRoomIsSentOneEventOnceHalfIsFree) {
  Pair pair;
  std::uint32_t sent = 0;
  while (send(pair.producer, sent, 112)) ++sent;  // records of 128 bytes
  (void)pair.producer.publish();
  ASSERT_EQ(sent, 31U);
  ASSERT_TRUE(pair.producer.wait_for_room(112));
  Frame frame;
  int events = 0;
  std::uint32_t released = 0;
  while (pair.consumer.peek(frame)) {
    ++released;
    if (!pair.consumer.release()) continue;
    ++events;
    EXPECT_GE(kSize - (sent - released) * 128, kSize / 2);
    EXPECT_EQ(released, 15U) << "as soon as half is free";
  }
  EXPECT_EQ(events, 1);
  pair.producer.awake();
  EXPECT_NE(pair.producer.reserve(112), nullptr);
}

TEST(PacketRingWake, RoomThatCameMeanwhileIsNotWaitedFor) {
  Pair pair;
  while (send(pair.producer, 1, 112)) {
  }
  (void)pair.producer.publish();
  Frame frame;
  ASSERT_TRUE(pair.consumer.peek(frame));
  EXPECT_FALSE(pair.consumer.release());
  EXPECT_FALSE(pair.producer.wait_for_room(112));
  EXPECT_EQ(pair.words.room.load(std::memory_order_relaxed), 0U);
}

TEST(PacketRingWake, NumbersSkipZeroAndGoOn) {
  SleepNumbers numbers{0xffff'fffe};
  EXPECT_EQ(numbers.next(), 0xffff'ffffU);
  EXPECT_EQ(numbers.next(), 1U);
  Doorbell bell;
  EXPECT_FALSE(bell.rings(0));
  EXPECT_TRUE(bell.rings(7));
  EXPECT_FALSE(bell.rings(7));
  EXPECT_FALSE(bell.rings(0));
  EXPECT_FALSE(bell.rings(7)) << "the same sleep still";
  EXPECT_TRUE(bell.rings(8));
}

// Two threads that sleep whenever they can: a lost event would hang one of them for ever.
TEST(PacketRingRace, NoEventIsLost) {
  constexpr std::uint32_t kFrames = 200'000;
  Pair pair;
  std::counting_semaphore<> to_consumer{0}, to_producer{0};
  std::jthread consumer([&] {
    for (std::uint32_t n = 0; n < kFrames;) {
      Frame frame;
      if (pair.consumer.peek(frame)) {
        ASSERT_EQ(frame.record.segment_size, static_cast<std::uint16_t>(n + 3));
        ++n;
        continue;
      }
      ASSERT_EQ(pair.consumer.fault(), Fault::none);
      if (pair.consumer.unreleased() && pair.consumer.release()) to_producer.release();
      if (!pair.consumer.may_sleep()) continue;
      to_consumer.acquire();
      pair.consumer.awake();
    }
    if (pair.consumer.release()) to_producer.release();
  });
  for (std::uint32_t n = 0; n < kFrames;) {
    const std::uint32_t length = 14 + n * 97 % 1500;
    if (send(pair.producer, n, length)) {
      ++n;
      if (n % 3 != 0) continue;
      if (pair.producer.publish()) to_consumer.release();
      continue;
    }
    if (pair.producer.publish()) to_consumer.release();
    if (!pair.producer.wait_for_room(length)) {
      ASSERT_EQ(pair.producer.fault(), Fault::none);
      continue;
    }
    to_producer.acquire();
    pair.producer.awake();
  }
  if (pair.producer.publish()) to_consumer.release();
}

}  // namespace
}  // namespace hush::area
