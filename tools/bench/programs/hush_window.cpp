// hush-window SECONDS [FILE...]: waits, and has the emulator count what the machine does meanwhile.
// The files, each of which holds a number (such as /sys/class/net/*/statistics/rx_packets), are read at both
// ends. Prints {"nanoseconds": N, "files": {FILE: difference, ...}}. hush-window all: ends a window that
// began at power-on.
#include <time.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "tools/bench/marker.hpp"

namespace {

std::int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void wait(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  const timespec duration{whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr);
}

std::vector<std::int64_t> read_all(int count, char** files) {
  std::vector<std::int64_t> values;
  for (int i = 0; i < count; ++i) {
    std::int64_t value = 0;
    if (!(std::ifstream(files[i]) >> value)) {
      std::cerr << "hush-window: " << files[i] << " holds no number\n";
      std::exit(1);
    }
    values.push_back(value);
  }
  return values;
}

int measure(double seconds, int count, char** files) {
  const auto before = read_all(count, files);
  hush::bench::begin_window();
  const std::int64_t begun = now();
  wait(seconds);
  const std::int64_t ended = now();
  // Still in the window: where it fails there is none, so the counter's windows and ours keep the same
  // numbers.
  const auto after = read_all(count, files);
  hush::bench::end_window();
  nlohmann::json result{{"nanoseconds", ended - begun}, {"files", nlohmann::json::object()}};
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    result["files"][files[i]] = after[at] - before[at];
  }
  std::cout << result << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "all") {
    hush::bench::end_window();
    return 0;
  }
  const double seconds = argc > 1 ? std::atof(argv[1]) : 0;
  if (seconds <= 0 || seconds > 60) {
    std::cerr << "usage: hush-window SECONDS [FILE...] (60 s at most), or hush-window all\n";
    return 2;
  }
  return measure(seconds, argc - 2, argv + 2);
}
