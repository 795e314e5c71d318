// Frames one way at saturation, whatever carries them. The receiver measures: it prints one JSON line when
// its window is over, and goes on receiving until SIGTERM, so that the sender never waits for room in vain.
#pragma once
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "tools/bench/area_programs/payload.hpp"
#include "tools/bench/area_programs/plan.hpp"
#include "tools/bench/area_programs/process.hpp"
#include "tools/bench/marker.hpp"

namespace hush::bench {

// A look at the clock costs as much as a small frame: one each so many turns.
constexpr std::uint64_t kTurnsPerLook = 64;
constexpr double kPatience = 20;  // seconds

// move(number): moves a burst when so many frames have gone before; how many now, 0 where there were none or
// no room.
template <class Move>
void move_until_stopped(std::string_view role, Move move) {
  const CpuShare cpu;
  std::uint64_t frames = 0, in_vain = 0;
  while (!stopped()) {
    const std::uint64_t moved = move(frames);
    frames += moved;
    if (moved != 0) continue;
    ++in_vain;
    relax();
  }
  std::cout << nlohmann::json{{"role", role},
                              {"frames", frames},
                              {"in_vain", in_vain},
                              {"cpu_share", cpu.share()}}
            << std::endl;
}

// send(number): sends a burst whose first frame has this number; how many went, 0 where there was no room.
template <class Send>
void send_until_stopped(Send send) {
  move_until_stopped("sender", send);
}

// What came of a window of traffic.
struct Window {
  std::uint64_t frames;
  double seconds;
  double cpu_share;
};

// turn(): moves a burst; how many frames went or came, 0 where none. Goes on after the window until SIGTERM.
template <class Turn, class Say>
class Measure {
 public:
  Measure(const Plan& plan, Turn turn, Say say) : plan_(plan), turn_(turn), say_(say) {}

  void run() {
    const double warm = wait(0);
    if (!stopped()) run_until(warm + plan_.warm_up);
    if (!stopped()) measure();
    while (!stopped()) turn();
  }

 private:
  void turn() {
    const std::uint64_t moved = turn_();
    frames_ += moved;
    if (moved == 0) relax();
  }
  [[nodiscard]] double now() const { return seconds_between(begun_, Clock::now()); }

  // Until there is a frame that is not among the first `seen`; the time then.
  double wait(std::uint64_t seen) {
    const double begin = now();
    while (!stopped() && frames_ == seen) {
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
    if (plan_.mark) begin_window();
    const double begin = now();
    const std::uint64_t first = frames_;
    run_until(begin + plan_.seconds);
    // On a busy machine the sender may not have run once in a short window: it is longer then.
    const double end = wait(first);
    if (plan_.mark) end_window();
    if (!stopped()) say_(Window{frames_ - first, end - begin, cpu.share()});
  }

  Plan plan_;
  Turn turn_;
  Say say_;
  std::uint64_t frames_ = 0;
  Clock::time_point begun_ = Clock::now();
};

// As the bench reads it; wrong: frames that were not what was sent.
inline nlohmann::json figure(const Plan& plan, const Window& window, std::uint64_t wrong) {
  return {{"role", "receiver"},        {"frames", window.frames}, {"bytes", window.frames * plan.size},
          {"seconds", window.seconds}, {"wrong", wrong},          {"cpu_share", window.cpu_share}};
}

// receive(check): shows a burst to the check; how many frames, 0 where there was none.
template <class Receive>
void measure_receiver(const Plan& plan, Receive receive) {
  PayloadCheck check(plan.size);
  Measure(
      plan, [&]() -> std::uint64_t { return receive(check); },
      [&](const Window& window) { std::cout << figure(plan, window, check.wrong()) << std::endl; })
      .run();
}

}  // namespace hush::bench
