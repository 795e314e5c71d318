// What a thread had of its processor, and for how long it waited for it: of either end, by the scheduler's
// account. Who waited was disturbed, whether it polls or not.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "tools/bench/area_programs/process.hpp"

namespace hush::bench {

// Since it was made.
class ThreadShare {
 public:
  static ThreadShare of_this() { return ThreadShare("/proc/thread-self/schedstat"); }
  // Of a hush-backd's data thread; process 0: nobody asks, and it had all.
  static ThreadShare of_backd(int process) {
    std::filesystem::path account;
    if (process != 0) {
      for (const auto& task :
           std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
        std::string name;
        std::ifstream(task.path() / "comm") >> name;
        if (name.starts_with("hush-data")) account = task.path() / "schedstat";
      }
    }
    return ThreadShare(account);
  }

  [[nodiscard]] double ran() const { return account_.empty() ? 1 : since_begin().ran; }
  [[nodiscard]] double waited() const { return account_.empty() ? 0 : since_begin().waited; }

 private:
  struct Time {
    double ran = 0, waited = 0;  // nanoseconds, or shares
  };
  explicit ThreadShare(std::filesystem::path account) : account_(std::move(account)), before_(read()) {}
  [[nodiscard]] Time read() const {
    Time time;
    if (!account_.empty()) std::ifstream(account_) >> time.ran >> time.waited;
    return time;
  }
  [[nodiscard]] Time since_begin() const {
    const Time now = read();
    const double wall = seconds_between(begun_, Clock::now()) * 1e9;
    return {(now.ran - before_.ran) / wall, (now.waited - before_.waited) / wall};
  }

  std::filesystem::path account_;
  Clock::time_point begun_ = Clock::now();
  Time before_;
};

}  // namespace hush::bench
