// How long frames took: a histogram, so that hundreds of millions need no memory of their own.
#pragma once
#include <algorithm>
#include <boost/histogram.hpp>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace hush::bench {

class Latencies {
 public:
  // So many frames of the same nanoseconds: one call for all of a burst.
  void add(std::int64_t nanoseconds, std::uint64_t frames) {
    counts_(std::clamp(static_cast<double>(nanoseconds), kLeast, kMost), boost::histogram::weight(frames));
    frames_ += frames;
  }
  // Nanoseconds that this part of the frames did not exceed, to 2 % of them. None: there were no frames.
  [[nodiscard]] std::optional<double> at(double part) const {
    if (frames_ == 0) return {};
    const auto wanted = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(frames_)));
    std::uint64_t seen = 0;
    for (const auto& bin : boost::histogram::indexed(counts_))
      if ((seen += *bin) >= wanted) return bin.bin().center();
    return kMost;
  }

 private:
  static constexpr double kLeast = 10, kMost = 99e9;
  static constexpr unsigned kBins = 1150;  // of 2 % each, over the ten powers of ten
  using Log = boost::histogram::axis::regular<double, boost::histogram::axis::transform::log>;
  using Counts = boost::histogram::dense_storage<std::uint64_t>;
  boost::histogram::histogram<std::tuple<Log>, Counts> counts_{std::tuple(Log(kBins, 10, 100e9))};
  std::uint64_t frames_ = 0;
};

}  // namespace hush::bench
