// The fastest round trips that two processes can have: two words in shared memory that both spin on, or a
// pair of eventfds that both sleep on. What a ring's round trips are compared with.
//   hush-ping pong --memory FILE --cpu N           answers until SIGTERM
//   hush-ping ping --memory FILE --cpu N ...       prints its round trips, as a JSON line
//   --to FD --from FD in the place of --memory: eventfds, which the bench hands over
#include <unistd.h>

#include <iostream>

#include "tools/bench/area_programs/ping_pong.hpp"
#include "tools/bench/area_programs/raw_memory.hpp"

namespace {

using namespace hush::bench;

struct Words {
  alignas(128) std::atomic<std::uint64_t> ping;
  alignas(128) std::atomic<std::uint64_t> pong;
};

// No pause: the other one has its own core, and the line is all that is waited for.
bool wait_for(const std::atomic<std::uint64_t>& word, std::uint64_t number) {
  while (word.load(std::memory_order_acquire) != number)
    if (stopped()) return false;
  return true;
}

void spin(const Plan& plan, bool pings, Words& words) {
  if (pings) {
    ping(plan, [&](std::uint64_t number) {
      words.ping.store(number, std::memory_order_release);
      return wait_for(words.pong, number);
    });
    return;
  }
  pong([&, number = std::uint64_t{0}]() mutable {
    if (!wait_for(words.ping, ++number)) return false;
    words.pong.store(number, std::memory_order_release);
    return true;
  });
}

void ring_bell(int to) {
  const std::uint64_t one = 1;
  if (::write(to, &one, sizeof one) != sizeof one) give_up("write to an eventfd");
}
// Asleep until it rings.
bool hear_bell(int from) {
  std::uint64_t count = 0;
  while (!stopped()) {
    if (::read(from, &count, sizeof count) == sizeof count) return true;
    if (errno != EINTR) give_up("read of an eventfd");
  }
  return false;
}

void bells(const Plan& plan, bool pings, int to, int from) {
  if (pings) {
    ping(plan, [&](std::uint64_t) {
      ring_bell(to);
      return hear_bell(from);
    });
    return;
  }
  pong([&] {
    if (!hear_bell(from)) return false;
    ring_bell(to);
    return true;
  });
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  std::string memory;
  int to = -1, from = -1;
  CLI::App app("Raw round trips between two processes", "hush-ping");
  app.fallthrough();  // an option may stand on either side of the command
  auto* pings = app.add_subcommand("ping", "measures");
  app.add_subcommand("pong", "answers");
  app.require_subcommand(1);
  auto* spins = app.add_option("--memory", memory, "a file of 4096 bytes, all 0: spin on it");
  auto* writes = app.add_option("--to", to, "an eventfd to ring")->excludes(spins);
  app.add_option("--from", from, "an eventfd to sleep on")->excludes(spins)->needs(writes);
  add_options(app, plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(plan.cpu, "hush-ping", [&] {
    if (memory.empty()) {
      bells(plan, pings->parsed(), to, from);
    } else {
      const RawMemory mapped(memory);
      spin(plan, pings->parsed(), *reinterpret_cast<Words*>(mapped.base()));
    }
    leave();
  });
}
