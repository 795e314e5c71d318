// Frames both ways at saturation, whatever carries them: one end sends, the other one sends all of it back,
// and the first one counts and checks what is back. Each frame is carried twice.
#pragma once
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "tools/bench/area_programs/one_way.hpp"

namespace hush::bench {

// Of as many frames as a ring holds: half, so that an echo never waits for room. Two ends that both wait for
// room, each for the other one to take, would do so for ever.
inline std::uint64_t most_on_their_way(const Plan& plan, std::uint64_t ring_holds) {
  return std::max<std::uint64_t>(plan.burst, ring_holds / 2);
}

// receive(check): shows a burst that is back to the check; how many frames, 0 where there was none.
// send(number): a burst whose first frame has this number, or a part of it; how many went, 0 where there was
// no room. Neither waits. say(line): the figure. The frames come back in the order in which they went: one
// that is lost, doubled or changed is wrong.
template <class Receive, class Send, class Say>
void measure_both_ways(const Plan& plan, std::uint64_t most, Receive receive, Send send, Say say,
                       double patience = kPatience) {
  PayloadCheck check(plan.size);
  std::uint64_t sent = 0;
  Measure(
      plan,
      [&]() -> std::uint64_t {
        const std::uint64_t frames = receive(check);
        // Not their difference: more may come than went.
        if (sent + plan.burst <= check.frames() + most) sent += send(sent);
        return frames;
      },
      [&](const Window& window) {
        // What is still on its way must come too: behind the last one that was lost there may be none that
        // would tell.
        const auto end = Clock::now();
        while (check.frames() < sent && !stopped() && seconds_between(end, Clock::now()) < patience)
          receive(check);
        const std::uint64_t lost = sent - std::min(sent, check.frames());
        say(figure(plan, window, check.wrong() + lost));
      })
      .run();
}

// turn(): sends back what has come, at most a burst; how many frames, 0 where there was none.
template <class Turn>
void echo_until_stopped(Turn turn) {
  move_until_stopped("echo", [&turn](std::uint64_t) -> std::uint64_t { return turn(); });
}

}  // namespace hush::bench
