// The options that every measured program has.
#pragma once
#include <CLI/CLI.hpp>
#include <cstddef>

namespace hush::bench {

struct Plan {
  int cpu = 0;
  std::size_t size = 64;   // bytes of a frame
  std::size_t burst = 32;  // frames; 1 to kMaxBurst
  double warm_up = 0.1;    // seconds of traffic that are not counted
  double seconds = 1;      // and that are
  bool mark = false;       // counted by the emulator too: a window of tools/bench/marker.hpp
};

constexpr std::size_t kMaxFrame = 65536;
constexpr std::size_t kMaxBurst = 256;

inline void add_options(CLI::App& app, Plan& plan) {
  app.add_option("--cpu", plan.cpu, "the processor to run on")->required()->check(CLI::Range(0, 1023));
  app.add_option("--size", plan.size, "bytes of a frame")->check(CLI::Range(std::size_t{8}, kMaxFrame));
  app.add_option("--burst", plan.burst, "frames")->check(CLI::Range(std::size_t{1}, kMaxBurst));
  app.add_option("--warm-up", plan.warm_up, "seconds that are not counted")->check(CLI::Range(0.0, 60.0));
  app.add_option("--seconds", plan.seconds, "seconds that are")->check(CLI::Range(0.01, 60.0));
  app.add_flag("--mark", plan.mark, "tell the emulator's counter when that is");
}

}  // namespace hush::bench
