// How long one that has nothing to do is asked again before it sleeps: the rules, and what they come to.
// Pure: no clock in here.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace hush::poll {

enum class Mode : std::uint8_t {
  automatic,  // polls where that is cheaper than a sleep
  event,      // sleeps at once
  poll,       // never sleeps
};
// Their names in xenstore and in options, in this order.
inline constexpr std::array<std::string_view, 3> kModes{"auto", "event", "poll"};

using Time = std::chrono::nanoseconds;

// A sleep and a wake-up, as long as nobody has measured it.
inline constexpr Time kUsualWakeCost = std::chrono::microseconds(50);
inline constexpr Time kForever = Time::max();

struct Rules {
  Mode mode = Mode::automatic;
  Time least{0};                    // polled before each sleep, whatever is expected
  Time most = kForever;             // polled before a sleep at most; the stronger where the two contradict
  Time wake_cost = kUsualWakeCost;  // of a sleep and the wake-up after it
  bool operator==(const Rules&) const = default;
};

// How long to poll from now on, when the next arrival is expected after `expected`. A sleep costs wake_cost:
// what is expected before that is polled for, but no longer than a sleep would have cost; what is expected
// later is slept for at once. So polling in vain costs at most one sleep a sleep.
[[nodiscard]] constexpr Time budget(const Rules& rules, Time expected) {
  if (rules.mode == Mode::event) return Time(0);
  if (rules.mode == Mode::poll) return kForever;
  const Time worth = std::min(rules.wake_cost, rules.most);
  return std::max(expected <= worth ? worth : Time(0), std::min(rules.least, rules.most));
}

}  // namespace hush::poll
