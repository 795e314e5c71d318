// The front end's side of the xenbus handshake, as a table with no effects.
//
//   step(self_state(node, held, barred), peer, online) -> { what to do, what to write into the own state node
//   }
//
// The caller performs the action, writes the state, looks at the nodes again and steps again, until nothing
// is left to do. The own node is read each time, never remembered: the toolstack makes it anew (state 1) when
// it attaches a device again, and an earlier process of this program may have left it in any state.
//
// Follows netback_changed() of Linux's xen-netfront, with one difference: xen-netfront stays Closed for ever,
// this end starts over while the toolstack keeps the device online, so that a restart of either end heals.
#pragma once
#include <array>

#include "xenstore/xenbus_state.hpp"

namespace hush::domu {

using xenstore::XenbusState;

// Where this end stands: what its node says, and whether rings are shared ("held").
enum class Self : std::uint8_t {
  absent,        // there is no such device
  initialising,  // nothing shared, ready to connect
  connected,     // rings shared, and the back end has been told
  leaving,       // rings shared, and the back end has been told that they will go
  closing,       // the same, nothing shared any more
  closed,        // may start over
  barred,        // closed, and not to be started over: cut off, or the program ends
  stale,         // what an earlier process left: the back end may think it is connected
  replaced,      // rings shared, but the node is gone or belongs to a new device of this name
};
inline constexpr std::size_t kSelfStates = 9;

[[nodiscard]] constexpr Self self_state(XenbusState node, bool held, bool barred) {
  using enum XenbusState;
  if (held) return node == connected ? Self::connected : node == closing ? Self::leaving : Self::replaced;
  switch (node) {
    case unknown:
      return Self::absent;
    case initialising:
      return Self::initialising;
    case closing:
      return Self::closing;
    case closed:
      return barred ? Self::barred : Self::closed;
    case init_wait:
    case initialised:
    case connected:
    case reconfiguring:
    case reconfigured:
      return Self::stale;
  }
  return Self::stale;
}

enum class Action : std::uint8_t {
  none,
  connect,     // share rings and buffers, allocate the channels, write all keys and the state at once
  serve,       // carrier on; done already: nothing
  disconnect,  // undo connect
};

struct Step {
  Action action = Action::none;
  XenbusState write = XenbusState::unknown;  // unknown: leave the node as it is

  constexpr bool operator==(const Step&) const = default;
  // Nothing to do until a node changes.
  [[nodiscard]] constexpr bool settled() const {
    return (action == Action::none || action == Action::serve) && write == XenbusState::unknown;
  }
};

namespace detail {

// The back end has let go of the rings, or never had them.
constexpr bool down(XenbusState peer) {
  using enum XenbusState;
  return peer == unknown || peer == initialising || peer == init_wait || peer == closing || peer == closed;
}

constexpr Step plan(Self self, XenbusState peer, bool online) {
  using enum XenbusState;
  switch (self) {
    case Self::absent:
    case Self::barred:
      return {};
    case Self::replaced:
      return {Action::disconnect, unknown};
    case Self::stale:
      return {Action::none, closing};
    case Self::initialising:
      if (peer == init_wait) return {Action::connect, connected};
      if (peer == closing) return {Action::none, closed};
      return {};
    case Self::connected:
      if (peer == connected) return {Action::serve, unknown};
      if (peer == closing || peer == closed || peer == unknown) return {Action::disconnect, closing};
      return {};
    case Self::leaving:
      if (down(peer)) return {Action::disconnect, unknown};
      return {};
    case Self::closing:
      if (down(peer)) return {Action::none, closed};
      return {};
    case Self::closed:
      // A detach (offline) ends here: the toolstack removes the directories next.
      if (peer == init_wait || (peer == closed && online)) return {Action::none, initialising};
      return {};
  }
  return {};
}

}  // namespace detail

inline constexpr auto kFrontendSteps = [] {
  std::array<std::array<std::array<Step, 2>, xenstore::kXenbusStates>, kSelfStates> table{};
  for (std::size_t self = 0; self < table.size(); ++self)
    for (std::size_t peer = 0; peer < xenstore::kXenbusStates; ++peer)
      for (std::size_t online = 0; online < 2; ++online)
        table[self][peer][online] =
            detail::plan(static_cast<Self>(self), static_cast<XenbusState>(peer), online != 0);
  return table;
}();

[[nodiscard]] constexpr Step step(Self self, XenbusState peer, bool online) {
  return kFrontendSteps[static_cast<std::size_t>(self)][static_cast<std::size_t>(peer)][online ? 1 : 0];
}

namespace detail {

// The own end as the caller keeps it, for the proofs below.
struct End {
  XenbusState node;
  bool held;
  bool barred;
};

constexpr End after(End end, Step s) {
  if (s.action == Action::connect) end.held = true;
  if (s.action == Action::disconnect) end.held = false;
  if (s.write != XenbusState::unknown && end.node != XenbusState::unknown) end.node = s.write;
  return end;
}

template <class Check>
constexpr bool for_all_inputs(Check check) {
  for (std::size_t node = 0; node < xenstore::kXenbusStates; ++node)
    for (std::size_t peer = 0; peer < xenstore::kXenbusStates; ++peer)
      for (unsigned bits = 0; bits < 8; ++bits)
        if (!check(End{static_cast<XenbusState>(node), (bits & 1U) != 0, (bits & 2U) != 0},
                   static_cast<XenbusState>(peer), (bits & 4U) != 0))
          return false;
  return true;
}

// Connected is written by connect alone, and only for a back end that waits for it; rings are shared by
// connect alone, where none are; and only a disconnect takes them back.
static_assert(for_all_inputs([](End end, XenbusState peer, bool online) {
  const Step s = step(self_state(end.node, end.held, end.barred), peer, online);
  if ((s.write == XenbusState::connected) != (s.action == Action::connect)) return false;
  if (s.action == Action::connect) return !end.held && peer == XenbusState::init_wait;
  if (s.action == Action::disconnect || s.action == Action::serve) return end.held;
  return true;
}));

// From anywhere, stepping settles within five steps; a barred end never starts over.
static_assert(for_all_inputs([](End end, XenbusState peer, bool online) {
  for (int i = 0; i < 5; ++i) {
    const Step s = step(self_state(end.node, end.held, end.barred), peer, online);
    if (end.barred && end.node != XenbusState::initialising && s.action == Action::connect) return false;
    end = after(end, s);
  }
  return step(self_state(end.node, end.held, end.barred), peer, online).settled();
}));

}  // namespace detail
}  // namespace hush::domu
