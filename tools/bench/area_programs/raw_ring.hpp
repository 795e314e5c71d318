// The limit: a ring of bytes between one sender and one receiver who trust each other. Records lie behind
// each other, 8 bytes of length and then the frame, which is written and read in place. No checks of what the
// other wrote, no wake-ups, one store a burst: what a ring with those is compared with.
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "tools/bench/area_programs/raw_memory.hpp"

namespace hush::bench {

constexpr std::size_t kRawHeadPage = 4096;  // before the ring itself

// Each on two cache lines of its own: processors fetch them in pairs.
struct RawIndexes {
  alignas(128) std::atomic<std::uint64_t> produced;
  alignas(128) std::atomic<std::uint64_t> consumed;
};

class RawRing {
 public:
  explicit RawRing(const RawMemory& memory)
      : indexes(*reinterpret_cast<RawIndexes*>(memory.base())),
        base_(memory.base() + kRawHeadPage),
        size_(memory.size() - kRawHeadPage) {
    if (memory.size() <= kRawHeadPage || !std::has_single_bit(size_))
      throw std::runtime_error("a ring's size is a power of two");
  }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::byte* at(std::uint64_t index) const { return base_ + (index & (size_ - 1)); }
  [[nodiscard]] std::uint64_t to_end(std::uint64_t index) const { return size_ - (index & (size_ - 1)); }

  RawIndexes& indexes;

 private:
  std::byte* base_;
  std::uint64_t size_;
};

constexpr std::uint64_t kRawSkip = ~std::uint64_t{0};  // as a length: go on at the ring's beginning
constexpr std::uint64_t kRawHeader = sizeof(std::uint64_t);

constexpr std::uint64_t raw_record(std::uint64_t frame) {
  return kRawHeader + (frame + 7) / 8 * 8;
}

class RawSender {
 public:
  RawSender(const RawRing& ring, std::size_t size, std::size_t burst)
      : ring_(ring), size_(size), record_(raw_record(size)), burst_(burst) {
    if (record_ * 2 > ring.size()) throw std::runtime_error("a frame takes more than half of the ring");
    // A burst that is larger than half of the ring goes in halves.
    wanted_ = std::min(record_ * (burst + 1), ring.size() / 2);
  }

  // write(bytes, i): frame i of the burst. How many went, in one store.
  template <class Write>
  std::uint64_t burst(Write write) {
    if (free() < wanted_) {
      consumed_ = ring_.indexes.consumed.load(std::memory_order_acquire);
      if (free() < wanted_) return 0;
    }
    std::uint64_t sent = 0;
    for (; sent < burst_; ++sent) {
      std::byte* const place = next();
      if (place == nullptr) break;
      write(std::span(place, size_), sent);
    }
    publish();
    return sent;
  }

  // For who has frames one by one. The place of one, which publish() shows; nullptr where there is no room.
  std::byte* reserve() {
    if (std::byte* const place = next()) return place;
    consumed_ = ring_.indexes.consumed.load(std::memory_order_acquire);
    return next();
  }
  void publish() { ring_.indexes.produced.store(produced_, std::memory_order_release); }

 private:
  // As far as is known of the receiver.
  std::byte* next() {
    const std::uint64_t left = ring_.to_end(produced_);
    if (free() < record_ + (record_ > left ? left : 0)) return nullptr;
    if (record_ > left) {
      put_length(kRawSkip);
      produced_ += left;
    }
    put_length(size_);
    std::byte* const place = ring_.at(produced_) + kRawHeader;
    produced_ += record_;
    return place;
  }
  [[nodiscard]] std::uint64_t free() const { return ring_.size() - (produced_ - consumed_); }
  void put_length(std::uint64_t length) { std::memcpy(ring_.at(produced_), &length, sizeof length); }

  RawRing ring_;
  std::uint64_t size_, record_, burst_;
  std::uint64_t wanted_ = 0;
  std::uint64_t produced_ = 0, consumed_ = 0;
};

class RawReceiver {
 public:
  RawReceiver(const RawRing& ring, std::size_t burst) : ring_(ring), burst_(burst) {}

  // read(bytes) for each frame; false: it stays, and is the next one. How many were taken; their room is
  // given back in one store.
  template <class Read>
  std::uint64_t burst(Read read) {
    if (consumed_ == produced_) {
      produced_ = ring_.indexes.produced.load(std::memory_order_acquire);
      if (consumed_ == produced_) return 0;
    }
    std::uint64_t received = 0;
    while (received < burst_ && consumed_ != produced_) {
      std::uint64_t length = 0;
      std::memcpy(&length, ring_.at(consumed_), sizeof length);
      if (length == kRawSkip) {
        consumed_ += ring_.to_end(consumed_);
        continue;
      }
      if (!read(std::span<const std::byte>(ring_.at(consumed_) + kRawHeader, length))) break;
      consumed_ += raw_record(length);
      ++received;
    }
    ring_.indexes.consumed.store(consumed_, std::memory_order_release);
    return received;
  }

 private:
  RawRing ring_;
  std::uint64_t burst_;
  std::uint64_t produced_ = 0, consumed_ = 0;
};

}  // namespace hush::bench
