#include "common/poll/wake_cost.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <utility>

namespace hush::poll {
namespace {

constexpr std::size_t kRounds = 65;
// For a machine on which a thread gets no processor: the samples that there are count.
constexpr int kPatienceMs = 1000;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// An end that sleeps in epoll_wait until its bell is rung.
class Sleeper {
 public:
  Result<void> set_up() {
    if (bell_.get() < 0) return errno_error("eventfd");
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_.get() < 0 || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) != 0)
      return errno_error("epoll");
    return {};
  }
  void ring() const { (void)eventfd_write(bell_.get(), 1); }
  // False: nobody rang.
  [[nodiscard]] bool sleep() const {
    epoll_event event{};
    int woken;
    do woken = epoll_wait(epoll_.get(), &event, 1, kPatienceMs);
    while (woken < 0 && errno == EINTR);
    eventfd_t rung;
    return woken == 1 && eventfd_read(bell_.get(), &rung) == 0;
  }

 private:
  Descriptor bell_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  Descriptor epoll_{epoll_create1(EPOLL_CLOEXEC)};
};

// The two ends of a vif run on processors of their own where there are two: on one, a wake-up is a mere
// switch, four times as cheap. As the data threads do, these take no signal.
void settle_on(int nth_last) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_ZERO(&one);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (nth_last-- == 0) break;
  }
  (void)sched_setaffinity(0, sizeof one, &one);
}

}  // namespace

Result<Time> measure_wake_cost() {
  Sleeper here, there;
  for (Sleeper* end : {&here, &there})
    if (auto done = end->set_up(); !done)
      return error("measure what a wake-up costs: " + done.error().text, done.error().code);
  std::array<Time, kRounds> samples;
  std::size_t count = 0;
  std::thread echo([&] {
    settle_on(0);
    for (std::size_t i = 0; i < kRounds && there.sleep(); ++i) here.ring();
  });
  std::thread asker([&] {
    settle_on(1);
    using Clock = std::chrono::steady_clock;
    for (; count < kRounds; ++count) {
      const auto before = Clock::now();
      there.ring();
      if (!here.sleep()) break;
      samples[count] = (Clock::now() - before) / 2;  // there and back
    }
  });
  echo.join();
  asker.join();
  return wake_cost_of(std::span(samples).first(count));
}

}  // namespace hush::poll
