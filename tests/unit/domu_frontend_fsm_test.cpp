// Does the front end's handshake table do what each situation of a vif's life needs? What holds for all
// inputs is proved in the header at compile time; these are the walks through it, against a back end that
// follows Linux's netback.
#include <gtest/gtest.h>

#include "domu/vif/frontend_fsm.hpp"

namespace hush::domu {
namespace {

using enum XenbusState;

// Two ends, stepped in turn until neither moves.
struct Pair {
  XenbusState node = initialising;
  XenbusState peer = init_wait;
  bool held = false;
  bool barred = false;
  bool online = true;
  int connects = 0;

  // What frontend_changed() of xen-netback does, in the states that it publishes.
  bool back_end_moves() {
    const XenbusState before = peer;
    switch (node) {
      case initialising:
        if (peer == closing)
          peer = closed;
        else if (peer == closed || peer == initialising)
          peer = init_wait;
        break;
      case connected:
        if (peer == init_wait) peer = connected;
        break;
      case closing:
        if (peer == connected || peer == init_wait) peer = closing;
        break;
      case closed:
      case unknown:
        if (peer == connected)
          peer = closing;
        else
          peer = closed;
        break;
      default:
        break;
    }
    return peer != before;
  }
  bool front_end_moves() {
    const Step s = step(self_state(node, held, barred), peer, online);
    if (s.settled()) return false;
    if (s.action == Action::connect) held = true, ++connects;
    if (s.action == Action::disconnect) held = false;
    if (s.write != unknown) node = s.write;
    return true;
  }
  void run() {
    for (int i = 0; i < 50; ++i) {
      const bool front = front_end_moves();
      const bool back = back_end_moves();
      if (!front && !back) return;
    }
    FAIL() << "the two ends do not come to rest: " << name(node) << " and " << name(peer);
  }
  [[nodiscard]] bool serving() const {
    return step(self_state(node, held, barred), peer, online).action == Action::serve;
  }
};

TEST(FrontendFsm, ConnectsToAWaitingBackEnd) {
  Pair pair;
  pair.run();
  EXPECT_TRUE(pair.serving());
  EXPECT_EQ(pair.connects, 1);
}

TEST(FrontendFsm, WaitsForABackEndThatIsNotThereYet) {
  EXPECT_TRUE(step(self_state(initialising, false, false), initialising, true).settled());
  EXPECT_TRUE(step(self_state(initialising, false, false), unknown, true).settled());
}

// A process that died left Connected, or any other state: the back end is led through Closed to InitWait.
TEST(FrontendFsm, StartsOverWhateverAnEarlierProcessLeft) {
  for (const XenbusState left : {connected, closing, closed, initialised, init_wait})
    for (const XenbusState back : {connected, closing, closed, init_wait}) {
      Pair pair{.node = left, .peer = back};
      pair.run();
      EXPECT_TRUE(pair.serving()) << name(left) << " with the back end in " << name(back);
      EXPECT_EQ(pair.connects, 1);
    }
}

TEST(FrontendFsm, ADetachEndsClosedAndStaysSo) {
  Pair pair;
  pair.run();
  pair.peer = closing;  // the toolstack writes both at once
  pair.online = false;
  pair.run();
  EXPECT_EQ(pair.node, closed);
  EXPECT_EQ(pair.peer, closed);
  EXPECT_FALSE(pair.held);
  EXPECT_EQ(pair.connects, 1);
}

TEST(FrontendFsm, ABackEndThatClosesByItselfIsConnectedAgain) {
  Pair pair;
  pair.run();
  pair.peer = closing;
  pair.run();
  EXPECT_TRUE(pair.serving());
  EXPECT_EQ(pair.connects, 2);
}

// The toolstack removed the device and made it anew before this end looked.
TEST(FrontendFsm, ADeviceMadeAnewUnderLiveRingsIsConnectedAfresh) {
  Pair pair;
  pair.run();
  pair.node = initialising;
  pair.peer = init_wait;
  pair.run();
  EXPECT_TRUE(pair.serving());
  EXPECT_EQ(pair.connects, 2);
}

TEST(FrontendFsm, ADeviceThatVanishesTakesItsRingsAlong) {
  Pair pair;
  pair.run();
  pair.node = unknown;
  pair.peer = unknown;
  ASSERT_TRUE(pair.front_end_moves());
  EXPECT_FALSE(pair.held);
  EXPECT_FALSE(pair.front_end_moves());
}

TEST(FrontendFsm, LeavingKeepsTheRingsUntilTheBackEndHasLetGo) {
  Pair pair;
  pair.run();
  pair.barred = true;
  pair.node = closing;
  EXPECT_FALSE(pair.front_end_moves());
  EXPECT_TRUE(pair.held);
  pair.run();
  EXPECT_FALSE(pair.held);
  EXPECT_EQ(pair.node, closed);
  EXPECT_EQ(pair.connects, 1);
}

TEST(FrontendFsm, WhatWasCutOffIsNotStartedOver) {
  Pair pair;
  pair.run();
  pair.barred = true;
  pair.held = false;
  pair.node = closing;
  pair.run();
  EXPECT_EQ(pair.node, closed);
  EXPECT_EQ(pair.peer, closed);
  EXPECT_EQ(pair.connects, 1);
}

}  // namespace
}  // namespace hush::domu
