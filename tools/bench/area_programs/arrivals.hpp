// When frames are due: so many a second on average, whatever became of those before (open loop).
#pragma once
#include <chrono>
#include <cstdint>
#include <random>

#include "tools/bench/area_programs/process.hpp"

namespace hush::bench {

enum class Spacing : std::uint8_t {
  even,    // each as far from the last one
  random,  // as of many senders that know nothing of each other (Poisson)
};

class Arrivals {
 public:
  // rate: frames a second; 0: none is ever due; infinite: one always is.
  Arrivals(double rate, Spacing spacing, Clock::time_point begin, std::uint64_t seed)
      : random_(seed), between_(1), mean_(1e9 / rate), spacing_(spacing), due_(begin) {
    if (rate > 0)
      next();
    else
      due_ = Clock::time_point::max();
  }
  [[nodiscard]] Clock::time_point due() const { return due_; }
  // The one that was due is sent. Fractions of a nanosecond are kept, or ten million a second were others.
  void next() {
    owed_ += mean_ * (spacing_ == Spacing::even ? 1 : between_(random_));
    const auto whole = static_cast<std::int64_t>(owed_);
    owed_ -= static_cast<double>(whole);
    due_ += std::chrono::nanoseconds(whole);
  }

 private:
  std::mt19937_64 random_;
  std::exponential_distribution<double> between_;
  double mean_;  // nanoseconds
  double owed_ = 0;
  Spacing spacing_;
  Clock::time_point due_;
};

}  // namespace hush::bench
