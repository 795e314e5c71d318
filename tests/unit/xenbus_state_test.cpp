// Do state nodes and state names say what <xen/io/xenbus.h> says?
#include "xenstore/xenbus_state.hpp"

#include <gtest/gtest.h>
extern "C" {
#include <xen/io/xenbus.h>
}

#include <set>

namespace hush::xenstore {
namespace {

static_assert(static_cast<int>(XenbusState::unknown) == XenbusStateUnknown);
static_assert(static_cast<int>(XenbusState::initialising) == XenbusStateInitialising);
static_assert(static_cast<int>(XenbusState::init_wait) == XenbusStateInitWait);
static_assert(static_cast<int>(XenbusState::initialised) == XenbusStateInitialised);
static_assert(static_cast<int>(XenbusState::connected) == XenbusStateConnected);
static_assert(static_cast<int>(XenbusState::closing) == XenbusStateClosing);
static_assert(static_cast<int>(XenbusState::closed) == XenbusStateClosed);
static_assert(static_cast<int>(XenbusState::reconfiguring) == XenbusStateReconfiguring);
static_assert(static_cast<int>(XenbusState::reconfigured) == XenbusStateReconfigured);
static_assert(kXenbusStates == XenbusStateReconfigured + 1);

TEST(XenbusState, TextRoundTrips) {
  for (std::size_t i = 1; i < kXenbusStates; ++i) {
    const auto state = static_cast<XenbusState>(i);
    EXPECT_EQ(to_text(state), std::to_string(i));
    EXPECT_EQ(parse_state(to_text(state)), state);
  }
}
TEST(XenbusState, WhatIsNoStateIsUnknown) {
  for (const char* text : {"", "0", "9", "10", "-1", "4 ", " 4", "four", "4\n", "99999999999"})
    EXPECT_EQ(parse_state(text), XenbusState::unknown) << "'" << text << "'";
}
TEST(XenbusState, EachHasAName) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kXenbusStates; ++i) names.insert(name(static_cast<XenbusState>(i)));
  EXPECT_EQ(names.size(), kXenbusStates);
  EXPECT_EQ(name(XenbusState::init_wait), "InitWait");
  EXPECT_EQ(name(XenbusState::connected), "Connected");
  EXPECT_EQ(name(XenbusState::reconfigured), "Reconfigured");
}

}  // namespace
}  // namespace hush::xenstore
