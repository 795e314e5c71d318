// Round trips one after the other, whatever carries them. The one that pings measures: it prints a JSON line.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/bench/area_programs/plan.hpp"
#include "tools/bench/area_programs/process.hpp"
#include "tools/bench/marker.hpp"

namespace hush::bench {

constexpr std::size_t kMostTrips = 20'000'000;  // and as many a second: no two cores are that near

// trip(number): a round trip; false where stopped() ended it. One look at the clock is in each.
template <class Trip>
void ping(const Plan& plan, Trip trip) {
  std::vector<std::uint32_t> nanoseconds;
  // Written once, so that no page fault falls into a round trip.
  nanoseconds.resize(static_cast<std::size_t>(kMostTrips * std::min(plan.seconds, 1.0)));
  std::size_t trips = 0;
  std::uint64_t number = 0;
  auto last = Clock::now();
  const auto later = [&last](double seconds) {
    return last + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  };
  for (const auto warm = later(plan.warm_up); last < warm; last = Clock::now())
    if (!trip(++number)) return;
  const CpuShare cpu;
  const auto first = last;
  if (plan.mark) begin_window();
  for (const auto end = later(plan.seconds); last < end && trips < nanoseconds.size(); ++trips) {
    if (!trip(++number)) return;
    const auto now = Clock::now();
    nanoseconds[trips] = static_cast<std::uint32_t>(
        std::min<std::int64_t>(std::chrono::nanoseconds(now - last).count(), UINT32_MAX));
    last = now;
  }
  if (plan.mark) end_window();
  const double share = cpu.share();
  nanoseconds.resize(trips);
  std::sort(nanoseconds.begin(), nanoseconds.end());
  const auto at = [&](double part) {
    return nanoseconds[static_cast<std::size_t>(static_cast<double>(trips - 1) * part)];
  };
  std::cout << nlohmann::json{{"role", "ping"},
                              {"frames", trips},
                              {"bytes", trips * plan.size},
                              {"seconds", seconds_between(first, last)},
                              {"min", at(0)},
                              {"p50", at(0.5)},
                              {"p99", at(0.99)},
                              {"p999", at(0.999)},
                              {"cpu_share", share}}
            << std::endl;
}

// answer(): waits for one and answers it; false where stopped() ended it.
template <class Answer>
void pong(Answer answer) {
  const CpuShare cpu;
  std::uint64_t frames = 0;
  while (answer()) ++frames;
  std::cout << nlohmann::json{{"role", "pong"}, {"frames", frames}, {"cpu_share", cpu.share()}} << std::endl;
}

}  // namespace hush::bench
