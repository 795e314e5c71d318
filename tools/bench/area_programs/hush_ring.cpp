// Frames through the raw ring (raw_ring.hpp), the limit that the other contenders are compared with.
//   hush-ring receive --memory FILE --cpu N ...     prints what came in its window, as a JSON line
//   hush-ring send --memory FILE --cpu N ...        until SIGTERM
// Both ways, through a ring each way:
//   hush-ring both --memory FILE --back FILE --cpu N ...    prints what came back in its window
//   hush-ring echo --memory FILE --back FILE --cpu N ...    until SIGTERM
#include <cstring>
#include <iostream>

#include "tools/bench/area_programs/both_ways.hpp"
#include "tools/bench/area_programs/one_way.hpp"
#include "tools/bench/area_programs/raw_ring.hpp"

namespace {

using namespace hush::bench;

std::uint64_t send_burst(RawSender& sender, std::uint64_t first) {
  return sender.burst(
      [first](std::span<std::byte> bytes, std::uint64_t i) { write_payload(bytes, first + i); });
}

std::uint64_t take_burst(RawReceiver& receiver, PayloadCheck& check) {
  return receiver.burst([&check](std::span<const std::byte> bytes) {
    check.frame(bytes);
    return true;
  });
}

void send(const Plan& plan, const RawRing& ring) {
  RawSender sender(ring, plan.size, plan.burst);
  send_until_stopped([&](std::uint64_t number) { return send_burst(sender, number); });
}

void receive(const Plan& plan, const RawRing& ring) {
  RawReceiver receiver(ring, plan.burst);
  measure_receiver(plan, [&](PayloadCheck& check) { return take_burst(receiver, check); });
}

void send_and_receive(const Plan& plan, const RawRing& there, const RawRing& back) {
  RawSender sender(there, plan.size, plan.burst);
  RawReceiver receiver(back, plan.burst);
  measure_both_ways(
      plan, most_on_their_way(plan, there.size() / raw_record(plan.size)),
      [&](PayloadCheck& check) { return take_burst(receiver, check); },
      [&](std::uint64_t number) { return send_burst(sender, number); },
      [](const nlohmann::json& line) { std::cout << line << std::endl; });
}

// As an echo port does: a copy from ring to ring, and what finds no room stays.
void echo(const Plan& plan, const RawRing& there, const RawRing& back) {
  RawReceiver receiver(there, plan.burst);
  RawSender sender(back, plan.size, plan.burst);
  echo_until_stopped([&] {
    const std::uint64_t frames = receiver.burst([&sender](std::span<const std::byte> bytes) {
      std::byte* const place = sender.reserve();
      if (place == nullptr) return false;
      std::memcpy(place, bytes.data(), bytes.size());
      return true;
    });
    if (frames != 0) sender.publish();
    return frames;
  });
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  std::string memory, back;
  CLI::App app("Frames through a raw ring in shared memory", "hush-ring");
  app.fallthrough();  // an option may stand on either side of the command
  const auto* sends = app.add_subcommand("send", "sends as fast as it goes");
  const auto* receives = app.add_subcommand("receive", "measures");
  auto* both = app.add_subcommand("both", "sends, and measures what comes back");
  auto* echoes = app.add_subcommand("echo", "sends all of it back");
  app.require_subcommand(1);
  app.add_option("--memory", memory, "a file of 4096 bytes more than the ring, all 0")->required();
  for (auto* command : {both, echoes})
    command->add_option("--back", back, "another one, for the way back")->required();
  add_options(app, plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(plan.cpu, "hush-ring", [&] {
    const RawMemory mapped(memory);
    const RawRing ring(mapped);
    if (*sends) send(plan, ring);
    if (*receives) receive(plan, ring);
    if (*both || *echoes) {
      const RawMemory mapped_back(back);
      const RawRing ring_back(mapped_back);
      *both ? send_and_receive(plan, ring, ring_back) : echo(plan, ring, ring_back);
    }
    leave();
  });
}
