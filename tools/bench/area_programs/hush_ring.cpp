// Frames through the raw ring (raw_ring.hpp), the limit that the other contenders are compared with.
//   hush-ring receive --memory FILE --cpu N ...     prints what came in its window, as a JSON line
//   hush-ring send --memory FILE --cpu N ...        until SIGTERM
#include <iostream>

#include "tools/bench/area_programs/one_way.hpp"
#include "tools/bench/area_programs/raw_ring.hpp"

namespace {

using namespace hush::bench;

void send(const Plan& plan, const RawRing& ring) {
  RawSender sender(ring, plan.size, plan.burst);
  send_until_stopped([&](std::uint64_t number) {
    return sender.burst(
        [number](std::span<std::byte> bytes, std::uint64_t i) { write_payload(bytes, number + i); });
  });
}

void receive(const Plan& plan, const RawRing& ring) {
  RawReceiver receiver(ring, plan.burst);
  measure_receiver(plan, [&](PayloadCheck& check) {
    return receiver.burst([&check](std::span<const std::byte> bytes) { check.frame(bytes); });
  });
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  std::string memory;
  CLI::App app("Frames through a raw ring in shared memory", "hush-ring");
  app.fallthrough();  // an option may stand on either side of the command
  auto* sender = app.add_subcommand("send", "sends as fast as it goes");
  app.add_subcommand("receive", "measures");
  app.require_subcommand(1);
  app.add_option("--memory", memory, "a file of 4096 bytes more than the ring, all 0")->required();
  add_options(app, plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(plan.cpu, "hush-ring", [&] {
    const RawMemory mapped(memory);
    const RawRing ring(mapped);
    *sender ? send(plan, ring) : receive(plan, ring);
    leave();
  });
}
