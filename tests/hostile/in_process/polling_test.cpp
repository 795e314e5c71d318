// Does a data thread ask again exactly those that want it, park them one by one, and sleep when all are
// parked? No test here waits for a time: those that poll do so for an hour, or not at all.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <numeric>

#include "common/event/data_thread.hpp"
#include "tests/support/back_rig.hpp"

namespace hush::test {
namespace {

using std::chrono::hours;

// Has as much to do as the test gives it.
class Fed final : public event::Served {
 public:
  Fed() : Served(counters) {}
  std::uint64_t turn() override {
    ++turns;
    if (event_comes.exchange(false)) heard();
    return busy ? 1 : work.exchange(0);
  }
  bool rest() override {
    ++rests;
    event_comes = second_look_finds.exchange(false);
    return !event_comes;
  }
  void event() { heard(); }

  poll::Counters counters;
  std::atomic<std::uint64_t> work = 0;
  std::atomic<bool> busy = false;  // always has a frame
  std::atomic<bool> second_look_finds = false, event_comes = false;
  std::atomic<std::uint64_t> turns = 0, rests = 0;
};

class Polling : public ::testing::Test {
 protected:
  Polling() {
    FakeXen::get().reset();
    thread = *event::DataThread::start("test");
  }
  ~Polling() override {
    thread->call([this] {
      thread->leave_out(one);
      thread->leave_out(other);
    });
  }
  void serve(Fed& whom, const poll::Rules& rules) {
    thread->call([&] {
      whom.patience.set(rules);
      thread->serve(whom);
    });
  }
  template <class Condition>
  [[nodiscard]] bool eventually(Condition condition) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20); !condition();
         thread->call([] {}))
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  }
  // Nobody gets turns: none in all the rounds that go by until this many calls are through.
  [[nodiscard]] bool is_quiet() {
    const auto before = one.turns + other.turns;
    for (int i = 0; i < 100; ++i) thread->call([] {});
    return one.turns + other.turns == before;
  }

  Fed one, other;
  std::unique_ptr<event::DataThread> thread;
};

constexpr poll::Rules kEvent{.mode = poll::Mode::event};
constexpr poll::Rules kPoll{.mode = poll::Mode::poll};
constexpr poll::Rules kLong{.least = hours(1), .most = hours(1)};
constexpr poll::Rules kNever{.most = poll::Time(0)};

TEST_F(Polling, ModeEventSleepsAtOnce) {
  serve(one, kEvent);
  ASSERT_TRUE(eventually([&] { return one.counters.sleeps.get() == 1; }));
  EXPECT_EQ(one.turns, 1U);
  EXPECT_TRUE(is_quiet());
  EXPECT_EQ(one.counters.in_vain.get(), 0U) << "it was not polled";
}

TEST_F(Polling, ModePollNeverSleeps) {
  serve(one, kPoll);
  ASSERT_TRUE(eventually([&] { return one.turns > 10'000; }));
  EXPECT_EQ(one.rests, 0U);
  one.work = 3;
  ASSERT_TRUE(eventually([&] { return one.counters.found.get() == 1; }));
  serve(one, kEvent);
  ASSERT_TRUE(eventually([&] { return one.counters.sleeps.get() == 1; })) << "the mode changes live";
  EXPECT_TRUE(is_quiet());
}

TEST_F(Polling, AutoPollsForItsBudgetAndCountsWhatCameOfIt) {
  serve(one, kLong);
  ASSERT_TRUE(eventually([&] { return one.turns > 100; }));
  EXPECT_EQ(one.rests, 0U);
  one.work = 1;
  ASSERT_TRUE(eventually([&] { return one.counters.found.get() == 1; }));
  ASSERT_TRUE(eventually([&] { return one.turns > 10'000; })) << "the time begins anew";
  serve(one, kNever);
  ASSERT_TRUE(eventually([&] { return one.counters.sleeps.get() == 1; }));
  serve(one, {.least = poll::Time(1), .most = poll::Time(1)});
  ASSERT_TRUE(eventually([&] { return one.counters.sleeps.get() == 2; }));
  EXPECT_EQ(one.counters.in_vain.get(), 1U);
  EXPECT_EQ(one.counters.found.get(), 1U);
  EXPECT_TRUE(is_quiet());
}

TEST_F(Polling, AnIdleOneParksWhileItsThreadPollsAnother) {
  serve(one, kPoll);
  serve(other, kNever);
  ASSERT_TRUE(eventually([&] { return other.counters.sleeps.get() == 1; }));
  const auto before = one.turns.load();
  ASSERT_TRUE(eventually([&] { return one.turns > before + 10'000; }));
  EXPECT_EQ(other.turns, 1U);
  other.work = 1;
  thread->call([&] { thread->serve(other); });  // as an event does
  ASSERT_TRUE(eventually([&] { return other.counters.sleeps.get() == 2; }));
  EXPECT_EQ(other.turns, 3U) << "its frame, nothing, and parked again";
}

TEST_F(Polling, TheQuietOnesOfABusyThreadAreAskedNowAndThen) {
  constexpr std::size_t kQuiet = 64;
  std::array<Fed, kQuiet> quiet;
  const auto turns_of_all = [&] {
    return std::accumulate(quiet.begin(), quiet.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Fed& fed) { return sum + fed.turns; });
  };
  for (Fed& fed : quiet) serve(fed, kPoll);
  serve(one, kPoll);
  ASSERT_TRUE(eventually([&] { return one.turns > 10'000; })) << "and so quiet, all of them";
  one.busy = true;
  ASSERT_TRUE(eventually([&] { return one.counters.found.get() == 1; }));
  const std::uint64_t ones = one.turns, theirs = turns_of_all();
  ASSERT_TRUE(eventually([&] { return one.turns > ones + 200'000; }));
  // Each as often as the busy one would be 64; a 32nd of the time is 1.3 where its turn takes a microsecond.
  EXPECT_LT(turns_of_all() - theirs, (one.turns - ones) * 8);

  quiet[5].work = 1;
  EXPECT_TRUE(eventually([&] { return quiet[5].counters.found.get() == 1; }));
  serve(quiet[6], kEvent);
  EXPECT_TRUE(eventually([&] { return quiet[6].counters.sleeps.get() == 1; })) << "the mode changes live";
  one.busy = false;
  const std::uint64_t before = quiet[63].turns;
  EXPECT_TRUE(eventually([&] { return quiet[63].turns > before + 10'000; })) << "each round again";
  thread->call([&] {
    for (Fed& fed : quiet) thread->leave_out(fed);
  });
}

TEST_F(Polling, TheEventOfASleepThatNeverWasIsNeedless) {
  one.second_look_finds = true;
  serve(one, kEvent);
  ASSERT_TRUE(eventually([&] { return one.counters.sleeps.get() == 1; }));
  EXPECT_EQ(one.rests, 2U);
  EXPECT_EQ(one.counters.needless.get(), 1U);
  thread->call([&] { one.event(); });
  EXPECT_EQ(one.counters.needless.get(), 1U) << "it slept since: this one was wanted";
}

}  // namespace
}  // namespace hush::test
