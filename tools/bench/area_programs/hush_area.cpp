// Frames through an area, by the library for applications (domu/library): one end is this program, the other
// the running hush-backd with a port that measures. Both run with all checks on, as they always do.
//   hush-area receive --cpu N ...    from `port` = source
//   hush-area send --cpu N ...       to `port` = sink, which adds up what it reads; compared at the end
//   hush-area both --cpu N ...       to `port` = echo, which sends all of it back
//   hush-area ping [--wait] ...      to the same, one frame at a time
#include <iostream>
#include <optional>

#include "tools/bench/area_programs/both_ways.hpp"
#include "tools/bench/area_programs/burst.hpp"
#include "tools/bench/area_programs/connected_vif.hpp"
#include "tools/bench/area_programs/one_way.hpp"
#include "tools/bench/area_programs/ping_pong.hpp"
#include "tools/bench/area_programs/sink_sum.hpp"
#include "tools/bench/area_programs/thread_share.hpp"

namespace {

using namespace hush::bench;
using hush::AreaLink;
using hush::DirectVif;

struct Options {
  Plan plan;
  std::uint32_t ring = 1024;  // KiB
  bool wait = false;
  int peer = 0;         // hush-backd's process
  std::string control;  // its socket; empty: it is elsewhere
};

// A step takes system calls, a turn takes none.
constexpr unsigned kTurnsPerStep = 32768;

// The bench has one end to itself, so what the connection does is its only trouble.
class Vif {
 public:
  explicit Vif(const Options& options) : vif_(connected({.ring = options.ring * 1024, .area_only = true})) {}
  ~Vif() { vif_->close(std::chrono::seconds(3)); }
  Vif(const Vif&) = delete;
  Vif& operator=(const Vif&) = delete;

  [[nodiscard]] AreaLink& link() { return *vif_->link()->area(); }
  // Before each turn.
  void turn() {
    if (++turns_ % kTurnsPerStep != 0) return;
    vif_->step();
    look();
  }
  void wait(const hush::Wanted& wanted = {}) {
    vif_->wait(std::chrono::seconds(1), wanted);
    look();
  }
  [[nodiscard]] const hush::relay::EndCounters& counters() const { return vif_->counters(); }

 private:
  void look() const {
    if (!vif_->link()) throw std::runtime_error("the connection was lost: " + vif_->reason());
  }
  std::unique_ptr<DirectVif> vif_;
  unsigned turns_ = 0;
};

nlohmann::json with_events(nlohmann::json line, const Vif& vif, double peer_share) {
  line["cpu_share"] = std::min(line["cpu_share"].get<double>(), peer_share);
  line["events_sent"] = vif.counters().in.notifies_sent.get() + vif.counters().out.notifies_sent.get();
  line["events_received"] = vif.counters().events.get();
  line["all_frames"] = vif.counters().in.packets.get() + vif.counters().out.packets.get();
  return line;
}

void receive_from_source(const Options& options, Vif& vif) {
  const Plan& plan = options.plan;
  AreaLink& link = vif.link();
  PayloadCheck check(plan.size);
  const auto peer = ThreadShare::of_backd(options.peer);
  Measure(
      plan,
      [&] {
        vif.turn();
        const std::uint64_t frames = take_burst(link, check, plan.burst);
        if (frames == 0 && options.wait) vif.wait();
        return frames;
      },
      [&](const Window& window) {
        std::cout << with_events(figure(plan, window, check.wrong()), vif, peer.ran()) << std::endl;
      })
      .run();
}

void send_to_sink(const Options& options, Vif& vif) {
  const Plan& plan = options.plan;
  AreaLink& link = vif.link();
  const auto size = static_cast<std::uint32_t>(plan.size);
  const auto burst = static_cast<std::uint32_t>(plan.burst);
  std::uint64_t number = 0;
  std::optional<Window> window;
  const auto peer = ThreadShare::of_backd(options.peer);
  double peer_share = 1;
  Measure(
      plan,
      [&] {
        vif.turn();
        if (!link.has_room_for(burst, size)) {
          link.publish();
          if (options.wait) vif.wait({.frames = false, .room = std::min(burst * size, link.max_frame())});
          return std::uint64_t{0};
        }
        const std::uint64_t frames = send_burst(link, number, burst, size);
        number += frames;
        return frames;
      },
      [&](const Window& found) {
        window = found;
        peer_share = peer.ran();
        std::cout << figure(plan, found, 0) << std::endl;  // the bench stops both ends now
      })
      .run();
  if (!window) return;
  while (link.unconsumed() != 0) vif.turn();
  const std::uint64_t sum = sum_of_sent(number, size);
  if (options.control.empty()) {
    nlohmann::json line = with_events(figure(plan, *window, 0), vif, peer_share);
    line["sum"] = sum;
    std::cout << line << std::endl;
    leave();  // connected until that was compared
    return;
  }
  const std::uint64_t wrong = sum == sum_of_sink(options.control, "vif1.0") ? 0 : window->frames;
  std::cout << with_events(figure(plan, *window, wrong), vif, peer_share) << std::endl;
}

void send_and_receive(const Options& options, Vif& vif) {
  const Plan& plan = options.plan;
  AreaLink& link = vif.link();
  const auto size = static_cast<std::uint32_t>(plan.size);
  const auto burst = static_cast<std::uint32_t>(plan.burst);
  const auto peer = ThreadShare::of_backd(options.peer);
  measure_both_ways(
      plan, most_on_their_way(plan, options.ring * 1024 / hush::area::span_of(size)),
      [&](PayloadCheck& check) {
        vif.turn();
        return take_burst(link, check, burst);
      },
      [&](std::uint64_t number) {
        return link.has_room_for(burst, size) ? send_burst(link, number, burst, size) : 0;
      },
      [&](const nlohmann::json& line) { std::cout << with_events(line, vif, peer.ran()) << std::endl; });
}

void ping_pong(const Options& options, Vif& vif) {
  const Plan& plan = options.plan;
  AreaLink& link = vif.link();
  const auto size = static_cast<std::uint32_t>(plan.size);
  ping(plan, [&](std::uint64_t number) {
    vif.turn();
    std::byte* const place = link.reserve(size);
    if (place == nullptr) throw std::runtime_error("no room");
    write_payload({place, size}, number);
    link.commit({.length = size});
    link.publish_more();
    hush::area::Frame frame;
    while (!link.peek(frame)) {
      if (stopped()) return false;
      options.wait ? vif.wait() : vif.turn();
    }
    if (sum_of(frame.bytes) != sum_of_number(number, plan.size))
      throw std::runtime_error("another frame came back");
    link.release();
    return true;
  });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Frames through an area to hush-backd", "hush-area");
  app.fallthrough();  // an option may stand on either side of the command
  const auto* sends = app.add_subcommand("send", "measures what a sink takes");
  const auto* receives = app.add_subcommand("receive", "measures what a source gives");
  const auto* both = app.add_subcommand("both", "measures what an echo sends back of all that it is sent");
  app.add_subcommand("ping", "measures round trips of an echo");
  app.require_subcommand(1);
  app.add_option("--ring", options.ring, "KiB of each of the area's rings");
  app.add_flag("--wait", options.wait, "sleep where there is nothing, or no room");
  app.add_option("--peer", options.peer, "hush-backd's process, whose share of its processor is looked at");
  app.add_option("--control", options.control,
                 "hush-backd's socket, where what its sink has read is compared; else the sum is told");
  add_options(app, options.plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(options.plan.cpu, "hush-area", [&] {
    {
      Vif vif(options);
      auto* const measure = *sends      ? send_to_sink
                            : *receives ? receive_from_source
                            : *both     ? send_and_receive
                                        : ping_pong;
      if (!stopped()) measure(options, vif);
    }
    leave();
  });
}
