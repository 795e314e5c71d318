// What every measured program is: alone on one processor, stopped by SIGTERM, gone when the bench is. Main
// is run_on(), its body ends with leave().
#pragma once
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace hush::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

[[noreturn]] inline void give_up(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

namespace detail {
inline std::atomic<bool> stop = false;
static_assert(std::atomic<bool>::is_always_lock_free);
}  // namespace detail

inline bool stopped() {
  return detail::stop.load(std::memory_order_relaxed);
}

inline void settle(int cpu) {
#ifdef __AVX2__
  if (!__builtin_cpu_supports("avx2"))
    throw std::runtime_error("built for processors with AVX2, which this is not");
#endif
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) give_up("processor " + std::to_string(cpu));
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct sigaction action {};
  // No SA_RESTART: a blocking read must end.
  action.sa_handler = [](int) { detail::stop.store(true, std::memory_order_relaxed); };
  ::sigaction(SIGTERM, &action, nullptr);
}

// All that a program does once its options are read, alone on its processor. Main's result: what it throws is
// its last line, and status 1.
template <class Body>
int run_on(int cpu, std::string_view name, Body body) {
  try {
    settle(cpu);
    body();
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << "\n";
    return 1;
  }
  return 0;
}

// Tells the bench that this end touches its peer no more (stdout ends), and stays until the bench says that
// the peer does not either (stdin ends): DPDK's memif crashes an end that polls when the other one goes.
inline void leave() {
  std::cout.flush();
  ::close(STDOUT_FILENO);
  char byte = 0;
  ssize_t got = 0;
  do got = ::read(STDIN_FILENO, &byte, 1);
  while (got > 0 || (got < 0 && errno == EINTR));
}

// A pause for the other hyperthread, and for the line that is waited for.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// How much of a processor this process had since the object was made. Under 0.93, who polls was disturbed.
class CpuShare {
 public:
  [[nodiscard]] double share() const {
    const double wall = seconds_between(begun_, Clock::now());
    return wall > 0 ? (used() - before_) / wall : 0;
  }

 private:
  static double used() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
  Clock::time_point begun_ = Clock::now();
  double before_ = used();
};

}  // namespace hush::bench
