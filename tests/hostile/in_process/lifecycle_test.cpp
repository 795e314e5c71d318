// H30: any state of the front end after any other, in any order: the back end's own never skips one and
// always ends where the last one leads.
#include <gtest/gtest.h>

#include <random>

#include "dom0/vif/backend_fsm.hpp"

namespace hush::dom0 {
namespace {

using enum XenbusState;

// What the back end does about a front end's states, one after the other; connect may fail.
struct Walk {
  XenbusState self = initialising;
  bool held = false;  // rings mapped

  void see(XenbusState peer, bool hotplug_done, bool connect_fails) {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 5) << "it does not come to rest";
      const Step next = step(self, peer, hotplug_done);
      if (next == Step{Action::none, self}) return;
      switch (next.action) {
        case Action::connect:
          ASSERT_FALSE(held) << "connected twice";
          ASSERT_TRUE(hotplug_done);
          if (connect_fails) {
            self = closing;
            return;
          }
          held = true;
          break;
        case Action::disconnect:
          ASSERT_TRUE(held);
          held = false;
          break;
        default:
          break;
      }
      self = next.next;
      ASSERT_EQ(held, serving(self));
    }
  }
};

TEST(States, InAnyOrder) {
  std::minstd_rand random(1);
  Walk walk;
  bool hotplug = false;
  for (int i = 0; i < 100000 && !::testing::Test::HasFatalFailure(); ++i) {
    hotplug = hotplug || random() % 16 == 0;
    walk.see(static_cast<XenbusState>(random() % xenstore::kXenbusStates), hotplug, random() % 4 == 0);
    // And from wherever that led: a new front end is served.
    if (random() % 8 != 0) continue;
    walk.see(initialising, true, false);
    ASSERT_EQ(walk.self, init_wait);
    walk.see(connected, true, false);
    ASSERT_EQ(walk.self, connected);
  }
}
TEST(States, AFrontEndThatIsGoneIsClosed) {
  for (const auto self : {initialising, init_wait, connected, closing, closed}) {
    Walk walk{self, self == connected};
    walk.see(unknown, true, false);
    EXPECT_EQ(walk.self, closed);
    EXPECT_FALSE(walk.held);
  }
}
TEST(States, ALiarStaysCutOffUntilItStartsOver) {
  Walk walk{closing, false};
  walk.see(connected, true, false);
  EXPECT_EQ(walk.self, closing);
  walk.see(initialising, true, false);
  EXPECT_EQ(walk.self, init_wait);
}
// One state after the other: a front end that watches sees each of them.
TEST(States, AFrontEndThatClosesIsFollowedToClosing) {
  for (const auto self : {init_wait, connected}) {
    Walk walk{self, self == connected};
    walk.see(closing, true, false);
    EXPECT_EQ(walk.self, closing);
    walk.see(closed, true, false);
    EXPECT_EQ(walk.self, closed);
  }
}
TEST(States, NothingIsConnectedBeforeTheScriptIsDone) {
  Walk walk{init_wait, false};
  walk.see(connected, false, false);
  EXPECT_EQ(walk.self, init_wait);
}

}  // namespace
}  // namespace hush::dom0
