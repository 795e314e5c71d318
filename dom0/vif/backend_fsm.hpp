// The back end's side of the xenbus handshake, as a table with no effects.
//
//   step(self, peer, hotplug_done) -> { what to do, the state to write next }
//
// The caller performs the action, writes the state, and steps again until the state stays. If an action
// fails the caller disconnects and writes closing instead. `self` is the back end's own record, not the
// node: on a detach the toolstack writes 5 there for the front end to see
// (libxl__initiate_device_generic_remove).
//
// Follows frontend_changed() and set_backend_state() of Linux's xen-netback/xenbus.c: neighbouring states
// only, so that a peer that watches sees each of them.
#pragma once
#include <array>

#include "xenstore/xenbus_state.hpp"

namespace hush::dom0 {

using xenstore::XenbusState;

enum class Action : std::uint8_t {
  none,
  advertise,   // make the TAP, publish the features
  connect,     // map the rings, bind the channels
  disconnect,  // undo connect
};
// The queues are there and served.
[[nodiscard]] constexpr bool serving(XenbusState self) {
  return self == XenbusState::connected || self == XenbusState::reconfigured;
}
struct Step {
  Action action;
  XenbusState next;
  constexpr bool operator==(const Step&) const = default;
};

namespace detail {

constexpr Step plan(XenbusState self, XenbusState peer, bool hotplug_done) {
  using enum XenbusState;
  const Step stay{Action::none, self};
  switch (peer) {
    case initialising:  // a new front end, or one that starts over (kexec)
      if (self == initialising || self == closed) return {Action::advertise, init_wait};
      if (serving(self)) return {Action::disconnect, closing};
      if (self == closing) return {Action::none, closed};
      return stay;
    case connected:
      if (self == initialising) return {Action::advertise, init_wait};
      // libxl must see 2 until its script has finished: 4 before that makes it time out.
      if (self == init_wait && hotplug_done) return {Action::connect, connected};
      if (self == reconfigured) return {Action::none, connected};
      return stay;  // also in closing: a vif that was cut off stays so until its front end starts over
    case closing:
      if (serving(self)) return {Action::disconnect, closing};
      return self == closed ? stay : Step{Action::none, closing};
    case closed:
    case unknown:  // the front end's directory is gone: a forced destroy, or a crash
      if (serving(self)) return {Action::disconnect, closing};
      if (self == init_wait && peer == closed) return {Action::none, closing};
      return {Action::none, closed};
    case reconfiguring:
      // Linux's netfront, when an XDP program is put in or out. There is nothing to change here (no headroom
      // is offered), but it waits for 8 without a limit. Traffic goes on; Linux's netback leaves 8 for ever
      // after.
      return self == connected ? Step{Action::none, reconfigured} : stay;
    case initialised:  // Linux's netback waits for 4 too
    case init_wait:    // the rest no front end of a vif writes: nothing to follow
    case reconfigured:
      return stay;
  }
  return stay;
}

}  // namespace detail

inline constexpr auto kBackendSteps = [] {
  std::array<std::array<std::array<Step, 2>, xenstore::kXenbusStates>, xenstore::kXenbusStates> table{};
  for (std::size_t self = 0; self < table.size(); ++self)
    for (std::size_t peer = 0; peer < table.size(); ++peer)
      for (std::size_t done = 0; done < 2; ++done)
        table[self][peer][done] =
            detail::plan(static_cast<XenbusState>(self), static_cast<XenbusState>(peer), done != 0);
  return table;
}();

[[nodiscard]] constexpr Step step(XenbusState self, XenbusState peer, bool hotplug_done) {
  return kBackendSteps[static_cast<std::size_t>(self)][static_cast<std::size_t>(peer)][hotplug_done ? 1 : 0];
}

namespace detail {

template <class Check>
constexpr bool for_all_inputs(Check check) {
  for (std::size_t self = 0; self < xenstore::kXenbusStates; ++self)
    for (std::size_t peer = 0; peer < xenstore::kXenbusStates; ++peer)
      for (const bool done : {false, true})
        if (!check(static_cast<XenbusState>(self), static_cast<XenbusState>(peer), done)) return false;
  return true;
}

// Serving begins only by connect and ends only by disconnect, and connect needs the script's end.
static_assert(for_all_inputs([](XenbusState self, XenbusState peer, bool done) {
  const Step s = step(self, peer, done);
  const bool was = serving(self), is = serving(s.next);
  if (!was && is != (s.action == Action::connect)) return false;
  if (was && !is && s.action != Action::disconnect) return false;
  if (was && is && s.action != Action::none) return false;
  return s.action != Action::connect || (done && peer == XenbusState::connected);
}));

// From any pair, stepping settles within four steps, with nothing left to do.
static_assert(for_all_inputs([](XenbusState self, XenbusState peer, bool done) {
  for (int i = 0; i < 4; ++i) self = step(self, peer, done).next;
  return step(self, peer, done) == Step{Action::none, self};
}));

}  // namespace detail
}  // namespace hush::dom0
