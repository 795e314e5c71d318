// Frames one way at saturation, whatever carries them. The receiver measures: it prints one JSON line when
// its window is over, and goes on receiving until SIGTERM, so that the sender never waits for room in vain.
#pragma once
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tools/bench/area_programs/payload.hpp"
#include "tools/bench/area_programs/plan.hpp"
#include "tools/bench/area_programs/process.hpp"

namespace hush::bench {

// A look at the clock costs as much as a small frame: one each so many turns.
constexpr std::uint64_t kTurnsPerLook = 64;
constexpr double kPatience = 20;  // seconds

// send(number): sends a burst whose first frame has this number; how many went, 0 where there was no room.
template <class Send>
void send_until_stopped(Send send) {
  const CpuShare cpu;
  std::uint64_t frames = 0, full = 0;
  while (!stopped()) {
    const std::uint64_t sent = send(frames);
    frames += sent;
    if (sent != 0) continue;
    ++full;
    relax();
  }
  std::cout << nlohmann::json{{"role", "sender"},
                              {"frames", frames},
                              {"full", full},
                              {"cpu_share", cpu.share()}}
            << std::endl;
}

// receive(check): shows a burst to the check; how many frames, 0 where there was none.
template <class Receive>
class Receiver {
 public:
  Receiver(const Plan& plan, Receive receive) : plan_(plan), receive_(receive), check_(plan.size) {}

  void run() {
    const double warm = wait(0);
    if (!stopped()) run_until(warm + plan_.warm_up);
    if (!stopped()) measure();
    while (!stopped()) turn();
  }

 private:
  void turn() {
    if (receive_(check_) == 0) relax();
  }
  [[nodiscard]] double now() const { return seconds_between(begun_, Clock::now()); }

  // Until there is a frame that is not among the first `seen`; the time then.
  double wait(std::uint64_t seen) {
    const double begin = now();
    while (!stopped() && check_.frames() == seen) {
      for (std::uint64_t i = 0; i < kTurnsPerLook; ++i) turn();
      if (now() - begin > kPatience) throw std::runtime_error("no frame came");
    }
    return now();
  }
  void run_until(double end) {
    while (!stopped() && now() < end)
      for (std::uint64_t i = 0; i < kTurnsPerLook; ++i) turn();
  }
  void measure() {
    const CpuShare cpu;
    const double begin = now();
    const std::uint64_t first = check_.frames();
    run_until(begin + plan_.seconds);
    // On a busy machine the sender may not have run once in a short window: it is longer then.
    const double end = wait(first);
    const std::uint64_t frames = check_.frames() - first;
    if (stopped()) return;
    std::cout << nlohmann::json{{"role", "receiver"},           {"frames", frames},
                                {"bytes", frames * plan_.size}, {"seconds", end - begin},
                                {"wrong", check_.wrong()},      {"cpu_share", cpu.share()}}
              << std::endl;
  }

  Plan plan_;
  Receive receive_;
  PayloadCheck check_;
  Clock::time_point begun_ = Clock::now();
};

}  // namespace hush::bench
