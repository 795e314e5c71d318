// What a sleep and the wake-up after it cost on this machine: measured once, when a program starts.
#pragma once
#include <algorithm>
#include <span>

#include "common/poll/rules.hpp"
#include "common/result.hpp"

namespace hush::poll {

// A measured cost is taken to be within these.
inline constexpr Time kLeastWakeCost = std::chrono::microseconds(1);
inline constexpr Time kMostWakeCost = std::chrono::microseconds(200);
// The median counts, but no more than this many times the least: on a machine that is busy just now most
// wake-ups wait for a processor, which is not what a sleep costs.
inline constexpr int kMedianOverLeast = 3;

// The cost out of single wake-ups, which are put into another order. None: kUsualWakeCost. Pure.
[[nodiscard]] constexpr Time wake_cost_of(std::span<Time> samples) {
  if (samples.empty()) return kUsualWakeCost;
  std::sort(samples.begin(), samples.end());
  const Time median = samples[samples.size() / 2];
  return std::clamp(std::min(median, kMedianOverLeast * samples.front()), kLeastWakeCost, kMostWakeCost);
}

// Two threads wake each other in turn, each out of epoll_wait by an eventfd, as a data thread is woken. Takes
// some milliseconds. Fails where there are no descriptors left.
Result<Time> measure_wake_cost();

}  // namespace hush::poll
