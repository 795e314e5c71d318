// Signals of the process, taken by a thread of their own (signalfd) and acted on by the control loop, between
// what it does: none runs a handler, ends a call early, or cuts a section of any thread.
//
// A stop that is asked for (SIGTERM, SIGINT) is bounded: a control loop that waits for a dead xenstored is
// not waited for. Whoever uses this must survive that as it survives SIGKILL.
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "common/result.hpp"

namespace hush::event {

class Signals {
 public:
  struct Actions {
    // On the loop; once for a signal that came several times meanwhile.
    std::function<void(int signal)> on_signal;
    // On the signals' thread: the process was told to stop and is there after `bound`. Then it ends, with
    // status 0. Not to wait for anything.
    std::function<void()> on_late;
    std::chrono::milliseconds bound{5000};
  };

  // Holds back what can be held back, from this thread and from all that are started later: all but SIGKILL
  // and SIGSTOP, faults of the program itself, and SIGQUIT, which is asked for to have a core. First in
  // main().
  static void hold();

  // Takes what is held. The loop outlives this; destroy it last of what a stop takes down, so that its bound
  // holds for that too.
  static Result<std::unique_ptr<Signals>> take(boost::asio::io_context& loop, Actions actions);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  Signals(boost::asio::io_context& loop, Actions actions, int signals, int ended);
  void run();
  void read_some();
  void act();

  boost::asio::io_context& loop_;
  Actions actions_;
  int signals_fd_, ended_fd_;
  std::atomic<std::uint64_t> came_ =
      0;  // a bit each, by number less one; those that the loop does not know yet
  Clock::time_point late_ = Clock::time_point::max();
  std::thread thread_;
};

}  // namespace hush::event
