// How fast a guest may send: the toolstack's rate, "bytes" each "interval", for all queues of a vif together.
//
// The rule, for an admin:
// - In the long run a vif sends `bytes` every `interval`: no more, and no less while it has packets.
// - After a silence it may send at once what it has saved up: the bytes of one interval, or of 10 ms where
//   the interval is shorter. More is not saved; this is the bucket.
// - No packet is dropped for it: a packet waits in the guest's ring until the vif has earned its bytes. One
//   that is larger than the bucket waits until all of it is earned, and those behind it wait as well.
// So in any time t a vif sends at most rate * t and once the bucket (or its largest packet, where that is
// more), and each queue what it has left of a turn that it booked before.
//
// The queues stand in one line (RateLimiter) and book turns of a millisecond there (QueueCredit), first come,
// first served: each gets the same share while all have packets, on whatever data threads they are. Times are
// of one clock that never goes back; whoever calls reads it. Linux's netback limits each queue by itself.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace hush::dom0 {

// The line of a vif. Any thread may book; there is no lock.
class RateLimiter {
 public:
  using Time = std::chrono::nanoseconds;  // since some fixed moment

  // bytes and interval: at least 1. The bucket is full at `start`.
  RateLimiter(std::uint64_t bytes, std::chrono::microseconds interval, Time start)
      : bytes_(bytes),
        interval_(static_cast<std::uint64_t>(Time(interval).count())),
        start_(start),
        bucket_(std::max(bytes, brings(kLeastBucket))),
        turn_(std::max<std::uint64_t>(1, brings(kTurn))) {}

  // Takes a place at the end of the line for so many bytes: they may be sent from the answer on (at once,
  // where that is not after now). now: not before `start`.
  Time book(Time now, std::uint64_t bytes) {
    // What was earned and not booked is the bucket's content; what does not fit in it is lost.
    const std::uint64_t full = brings(now - start_);
    std::uint64_t before = booked_.load(std::memory_order_relaxed), after = 0;
    do {
      after = std::max(before, full) + bytes;
    } while (!booked_.compare_exchange_weak(before, after, std::memory_order_relaxed));
    return after <= bucket_ ? start_ : start_ + needs(after - bucket_);
  }

  [[nodiscard]] std::uint64_t bucket() const { return bucket_; }
  // What a queue that waits books at once, in bytes: so much that its thread wakes once a millisecond, not
  // for each packet.
  [[nodiscard]] std::uint64_t turn() const { return turn_; }

 private:
  __extension__ using Wide = unsigned __int128;
  // A thread may wake up some milliseconds late, and must find then what was earned meanwhile.
  static constexpr Time kLeastBucket = std::chrono::milliseconds(10);
  static constexpr Time kTurn = std::chrono::milliseconds(1);

  // Bytes that the rate brings in a time, rounded down; the time that it takes to bring bytes, rounded up.
  [[nodiscard]] std::uint64_t brings(Time time) const {
    const Wide bytes = Wide{static_cast<std::uint64_t>(time.count())} * bytes_ / interval_;
    return static_cast<std::uint64_t>(std::min<Wide>(bytes, UINT64_MAX / 2));
  }
  [[nodiscard]] Time needs(std::uint64_t bytes) const {
    const Wide time = (Wide{bytes} * interval_ + bytes_ - 1) / bytes_;
    return Time(static_cast<std::int64_t>(std::min<Wide>(time, INT64_MAX / 2)));
  }

  std::uint64_t bytes_;
  std::uint64_t interval_;  // ns
  Time start_;
  std::uint64_t bucket_;
  std::uint64_t turn_;
  // The end of the line, in bytes that the rate has brought since start.
  std::atomic<std::uint64_t> booked_{0};
};

// A queue's place in the line of its vif. Of the queue's thread.
class QueueCredit {
 public:
  using Time = RateLimiter::Time;

  // Null: no limit. What was booked with another limiter is forgotten.
  void limit_by(std::shared_ptr<RateLimiter> limiter) {
    if (limiter == limiter_) return;
    limiter_ = std::move(limiter);
    paid_ = 0;
    due_ = {};
  }
  [[nodiscard]] bool limited() const { return limiter_ != nullptr; }

  // How many of the packets that wait, in their order, may be sent now; length_of(i): bytes of the i-th. They
  // count as sent. Where some are left a turn is booked for them, and due() says when it begins.
  template <class LengthOf>
  [[nodiscard]] std::size_t admit(Time now, std::size_t packets, LengthOf length_of) {
    std::size_t sent = 0;
    while (now >= due_) {
      while (sent < packets && length_of(sent) <= paid_) paid_ -= length_of(sent++);
      if (sent == packets) return sent;  // what is left of the turn is for the next packets
      const std::uint64_t turn = std::max<std::uint64_t>(limiter_->turn(), length_of(sent) - paid_);
      due_ = limiter_->book(now, turn);
      paid_ += turn;
    }
    return sent;
  }
  // Before this nothing is admitted.
  [[nodiscard]] Time due() const { return due_; }
  // True once for each due() that is waited for, however often admit() is tried meanwhile.
  [[nodiscard]] bool waits_anew() { return std::exchange(waited_for_, due_) != due_; }

 private:
  std::shared_ptr<RateLimiter> limiter_;
  std::uint64_t paid_ = 0;  // booked, and not sent yet
  Time due_{};
  Time waited_for_{};
};

}  // namespace hush::dom0
