// What a sender and a receiver of numbered UDP packets say to each other, whatever carries it, and what both
// tell at the end.
// The sender says kHello until the receiver answers with the same, sends kData, and says kEnd, with the
// number sent, until it is answered: so neither needs to know when the other was started.
#pragma once
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "tools/bench/programs/udp_sequence.hpp"

namespace hush::bench {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 32;  // packets that are sent at once, without a look at the clock
constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kAskEvery = std::chrono::milliseconds(50);

enum class Kind : std::uint32_t { kHello = 1, kData, kEnd };

// What each packet begins with, in the order of the machine's bytes: both ends run on one host.
struct Head {
  Kind kind = Kind::kHello;
  std::uint32_t unused = 0;
  std::uint64_t number = 0;  // of kData: counted from 0; of kEnd: how many were sent
};

inline double seconds_of(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

inline nlohmann::json was_sent(std::uint64_t sent, Clock::duration took) {
  return {{"sent", sent},
          {"seconds", seconds_of(took)},
          {"packets_per_second", static_cast<double>(sent) / seconds_of(took)}};
}

// What a receiver knows so far.
class Received {
 public:
  // True: this is to be answered, with the same head.
  bool take(const Head& head) {
    if (head.kind == Kind::kData) sequence_.see(head.number);
    if (head.kind == Kind::kEnd) {
      sent_ = head.number;
      ended_ = true;
    }
    return head.kind == Kind::kHello || head.kind == Kind::kEnd;
  }
  // After what came at once: the clock is looked at once for all of it.
  void end_burst() {
    ++bursts_;
    if (sequence_.received() == counted_) return;
    last_ = Clock::now();
    if (counted_ == 0) first_ = last_;
    counted_ = sequence_.received();
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] Clock::time_point last() const { return last_; }  // when data came
  [[nodiscard]] nlohmann::json as_json() const {
    const double took = seconds_of(last_ - first_);
    return {{"received", counted_},
            {"sent", sent_},
            {"lost", sequence_.lost(sent_)},
            {"duplicated", sequence_.duplicated()},
            {"reordered", sequence_.reordered()},
            {"calls", bursts_},
            {"seconds", took},
            {"packets_per_second", took > 0 ? static_cast<double>(counted_) / took : 0}};
  }

 private:
  UdpSequence sequence_;
  std::uint64_t sent_ = 0, bursts_ = 0, counted_ = 0;
  Clock::time_point first_, last_;
  bool ended_ = false;
};

}  // namespace hush::bench
