// An end of an area on its data thread (common/relay/area_end.hpp) while the areas change, against another
// end that this test is: who is told of a SWITCH, and what one costs that is never answered.
#include "common/relay/area_end.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "tests/support/fake_xen/world.hpp"
#include "tests/support/own_area.hpp"

namespace hush::relay {
namespace {

using namespace std::chrono_literals;
using area::RingPair;
using test::FakeXen;

// Takes what comes, and gives as many frames as it is told to.
class CountingPort final : public Port {
 public:
  void turn(Exchange& exchange) override {
    area::Frame frame;
    while (exchange.in.peek(frame)) {
      exchange.taken.passed(frame.record.length);
      ++taken;
    }
    if (to_give == 0 && when_idle) when_idle();
    for (; to_give > 0 && exchange.out.reserve(60); --to_give) {
      exchange.out.commit({.length = 60});
      exchange.given.passed(60);
    }
  }
  std::atomic<int> taken = 0, to_give = 0;
  std::function<void()> when_idle;
};

class AreaEnds : public ::testing::Test {
 protected:
  AreaEnds() {
    FakeXen::get().reset();
    thread_ = *event::DataThread::start("test");
  }
  ~AreaEnds() override {
    thread_->call([&] {
      end_.reset();
      thread_->unbind(port_);
    });
  }
  void begin(const area::Side& side) {
    thread_->call([&] {
      port_ =
          *thread_->bind(test::kGuest, EvtchnPort{FakeXen::get().offer_port()}, [this] { end_->on_event(); });
      end_ = std::make_unique<AreaEnd>(
          *thread_, AreaEnd::Setup{.area = side, .in_port = port_, .out_port = port_, .stall = 5ms},
          counting_, counters_,
          AreaEnd::Reports{[this](std::string_view) { ++faults_; },
                           [this](std::optional<Standstill> s) { stalled_ = s.has_value(); },
                           [this] { ++moves_; }});
      end_->start();
    });
  }
  void kick() {
    thread_->call([&] { end_->wake(); });
  }
  template <class Condition>
  [[nodiscard]] bool eventually(Condition condition) {
    for (const auto end = std::chrono::steady_clock::now() + 20s; !condition(); thread_->call([] {}))
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  }
  static void send(RingPair& rings) {
    ASSERT_NE(rings.out.reserve(60), nullptr);
    rings.out.commit({.length = 60});
    (void)rings.out.publish();
  }

  test::OwnArea first_{area::header_of(1, 4096, 4096)};
  test::OwnArea next_{area::header_after(first_.view().header, 2, {8192, 16384})};
  CountingPort counting_;
  EndCounters counters_;
  std::atomic<int> faults_ = 0, moves_ = 0;
  std::atomic<bool> stalled_ = false;
  EvtchnPort port_{};
  std::unique_ptr<event::DataThread> thread_;
  std::unique_ptr<AreaEnd> end_;
};

TEST_F(AreaEnds, WhoFollowsTellsEvenOneThatPolls) {
  begin(area::back_side(first_.view()));
  RingPair front{area::front_side(first_.view())};
  thread_->call([&] { end_->stage(area::back_side(next_.view())); });
  const auto before = FakeXen::get().notifies();
  send(front);
  (void)front.lead(area::front_side(next_.view()));
  send(front);
  kick();
  ASSERT_TRUE(eventually([&] { return moves_ == 1 && counting_.taken == 2; }));
  EXPECT_GT(FakeXen::get().notifies(), before) << "the mode word said 0 all the time";
  area::Frame frame;
  EXPECT_FALSE(front.in.peek(frame));
  EXPECT_EQ(front.cross(), RingPair::Crossing::over);
  counting_.to_give = 1;
  kick();
  ASSERT_TRUE(eventually([&] { return front.in.peek(frame); })) << "in the next area";
  EXPECT_EQ(faults_, 0);
}

// A peer that falls asleep at the very moment at which a frame becomes visible: its word is not seen with
// that.
TEST_F(AreaEnds, WhoFallsAsleepDuringABatchIsToldWithTheNextTurn) {
  counting_.when_idle = [page = first_.view().page] {
    if (page->guest_rx.produced.load(std::memory_order_relaxed) != 0)
      page->guest_rx.mode.store(1, std::memory_order_relaxed);
  };
  counting_.to_give = 1;
  begin(area::back_side(first_.view()));
  thread_->call([&] { end_->set_polling({.mode = poll::Mode::poll}); });
  EXPECT_TRUE(eventually([&] { return counters_.out.notifies_sent.get() == 1; })) << "though it never rests";
}

TEST_F(AreaEnds, AFrameBehindASwitchEndsItsConnection) {
  begin(area::back_side(first_.view()));
  thread_->call([&] { end_->stage(area::back_side(next_.view())); });
  const area::View view = first_.view();
  auto ring = area::guest_tx_ring(view.rings, view.header);
  ring.put(0, area::Record{.kind = area::Kind::switch_over});
  ring.put(16, area::Record{.length = 60});
  view.page->guest_tx.produced.store(96, std::memory_order_seq_cst);
  kick();
  ASSERT_TRUE(eventually([&] { return faults_ == 1; }));
  EXPECT_EQ(moves_, 0);
}

TEST_F(AreaEnds, WhoLeadsAsksUntilItIsAnsweredAndSendsMeanwhile) {
  begin(area::front_side(first_.view()));
  RingPair back{area::back_side(first_.view())};
  thread_->call([&] { end_->move(area::front_side(next_.view())); });
  ASSERT_TRUE(eventually([&] { return counters_.out.notifies_late.get() >= 3; }))
      << "each bound, though it is idle";
  EXPECT_FALSE(stalled_) << "there is nothing to take";
  counting_.to_give = 1;
  kick();
  ASSERT_TRUE(eventually([&] { return stalled_.load(); })) << "and now there is";
  send(back);
  kick();
  ASSERT_TRUE(eventually([&] { return counting_.taken == 1; }))
      << "what the other end still sends where it was";
  const area::View first = first_.view();
  ASSERT_TRUE(eventually([&] { return first.page->guest_rx.mode.load(std::memory_order_relaxed) != 0; }))
      << "it sleeps";
  back.stage(area::back_side(next_.view()));
  area::Frame frame;
  EXPECT_FALSE(back.in.peek(frame));
  EXPECT_EQ(back.cross(), RingPair::Crossing::followed);
  // No event: it looks by itself.
  ASSERT_TRUE(eventually([&] { return moves_ == 1; }));
  EXPECT_TRUE(back.in.peek(frame));
  (void)back.in.release();
  EXPECT_TRUE(eventually([&] { return !stalled_; }));
  EXPECT_EQ(faults_, 0);
}

}  // namespace
}  // namespace hush::relay
