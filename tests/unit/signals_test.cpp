// Does any signal end the process, cut a call, or get lost? Each in a process of its own (death tests): what
// is blocked in the test's own process stays blocked.
#include "common/event/signals.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <thread>

namespace hush::event {
namespace {

class SignalsDeathTest : public testing::Test {
 protected:
  SignalsDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

// In the process of a death test, which goes with its parent whatever becomes of it.
void begin() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Signals::hold();
}

// What ends a process, or means nothing to it, as an admin or a program may send it.
const std::array kSignals = {SIGHUP,  SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2,   SIGCHLD,  SIGTSTP, SIGTTIN,
                             SIGTTOU, SIGURG,  SIGXCPU, SIGXFSZ, SIGVTALRM, SIGWINCH, SIGPROF, SIGIO};

// All are sent again and again while the loop runs, until each was seen; then it is told to stop.
[[noreturn]] void take_all() {
  begin();
  boost::asio::io_context loop;
  const auto keep_running = boost::asio::make_work_guard(loop);
  std::set<int> missing(kSignals.begin(), kSignals.end());
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) missing.insert(signal);
  Signals::Actions actions;
  actions.on_signal = [&](int signal) {
    missing.erase(signal);
    if (missing.empty()) ::kill(getpid(), SIGTERM);
    if (signal == SIGTERM) loop.stop();
  };
  actions.bound = std::chrono::minutes(1);
  const auto signals = Signals::take(loop, actions);
  if (!signals) std::_Exit(101);
  std::thread sender([all = missing] {
    for (int round = 0; round < 100; ++round)
      for (const int signal : all) ::kill(getpid(), signal);
  });
  loop.run();
  sender.join();
  std::_Exit(7);
}

TEST_F(SignalsDeathTest, NoneEndsItAndEachIsSeen) {
  EXPECT_EXIT(take_all(), testing::ExitedWithCode(7), "");
}

// Signals that are queued, faster than they can be read: a stop is seen among them.
[[noreturn]] void stop_in_a_storm() {
  begin();
  boost::asio::io_context loop;
  const auto keep_running = boost::asio::make_work_guard(loop);
  Signals::Actions actions;
  actions.on_signal = [](int signal) {
    if (signal == SIGTERM) std::_Exit(7);
  };
  actions.bound = std::chrono::minutes(10);
  const auto signals = Signals::take(loop, actions);
  const auto storm = [] {
    for (int i = 0;; ++i) {
      ::kill(getpid(), SIGRTMAX);
      if (i == 10000) ::kill(getpid(), SIGTERM);
    }
  };
  std::thread(storm).detach();
  std::thread(storm).detach();
  loop.run();
  std::_Exit(102);
}

TEST_F(SignalsDeathTest, AStormHidesNoStop) {
  EXPECT_EXIT(stop_in_a_storm(), testing::ExitedWithCode(7), "");
}

// A loop that never comes back, as one that waits for a xenstored that is gone.
[[noreturn]] void be_stuck(int signal) {
  begin();
  boost::asio::io_context loop;
  Signals::Actions actions;
  actions.on_signal = [](int) { std::_Exit(102); };
  actions.on_late = [] { std::fputs("held up", stderr); };
  actions.bound = std::chrono::milliseconds(1);
  const auto signals = Signals::take(loop, actions);
  if (!signals) std::_Exit(101);
  ::kill(getpid(), SIGHUP);  // is no reason to end
  ::kill(getpid(), signal);
  for (;;) ::pause();
}

TEST_F(SignalsDeathTest, AStopIsBounded) {
  EXPECT_EXIT(be_stuck(SIGTERM), testing::ExitedWithCode(0), "held up");
  EXPECT_EXIT(be_stuck(SIGINT), testing::ExitedWithCode(0), "held up");
}

// Signals that are no stop have no bound: the thread comes back for the next one.
[[noreturn]] void be_asked_twice() {
  begin();
  boost::asio::io_context loop;
  const auto keep_running = boost::asio::make_work_guard(loop);
  Signals::Actions actions;
  actions.on_signal = [](int signal) {
    if (signal == SIGUSR1) std::_Exit(7);
    ::kill(getpid(), SIGUSR1);
  };
  actions.bound = std::chrono::milliseconds(0);
  const auto signals = Signals::take(loop, actions);
  ::kill(getpid(), SIGHUP);
  loop.run();
  std::_Exit(102);
}

TEST_F(SignalsDeathTest, OthersAreNoStop) {
  EXPECT_EXIT(be_asked_twice(), testing::ExitedWithCode(7), "");
}

// One that stops in good time is not ended by the bound, and leaves no thread.
[[noreturn]] void stop_in_time() {
  begin();
  {
    boost::asio::io_context loop;
    const auto keep_running = boost::asio::make_work_guard(loop);
    Signals::Actions actions;
    actions.on_signal = [&](int) { loop.stop(); };
    actions.on_late = [] { std::_Exit(102); };
    actions.bound = std::chrono::minutes(10);
    const auto signals = Signals::take(loop, actions);
    ::kill(getpid(), SIGTERM);
    loop.run();
  }
  std::_Exit(7);
}

TEST_F(SignalsDeathTest, AStopInTimeEndsAsItLikes) {
  EXPECT_EXIT(stop_in_time(), testing::ExitedWithCode(7), "");
}

// To have a core of a daemon that hangs. A shell starts what it puts in the background with SIGQUIT ignored.
[[noreturn]] void be_asked_for_a_core() {
  begin();
  std::signal(SIGQUIT, SIG_DFL);
  ::kill(getpid(), SIGQUIT);
  std::_Exit(7);
}

TEST_F(SignalsDeathTest, ACoreCanBeHad) {
  EXPECT_EXIT(be_asked_for_a_core(), testing::KilledBySignal(SIGQUIT), "");
}

}  // namespace
}  // namespace hush::event
