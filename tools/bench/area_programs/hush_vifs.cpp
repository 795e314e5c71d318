// Frames through the areas of many vifs, all of them this program's (domu/library) and on one processor: a
// burst a vif in turn. The other end of each is the running hush-backd, all of them on one data thread of
// its.
//   hush-vifs receive --cpu N --vifs 256 --busy 256 ...    from `port` = source
//   hush-vifs send --cpu N --vifs 256 --busy 1 ...         to `port` = sink, which adds up what it reads;
//                                                          compared at the end, vif by vif
// The vifs are device 0 to vifs - 1, the busy ones come first. The others are connected and have no traffic:
// this end sleeps on them, as an application does that has something else to do.
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "domu/library/direct_vif.hpp"
#include "tools/bench/area_programs/burst.hpp"
#include "tools/bench/area_programs/one_way.hpp"
#include "tools/bench/area_programs/sink_sum.hpp"
#include "tools/bench/area_programs/thread_share.hpp"

namespace {

using namespace hush::bench;
using hush::AreaLink;
using hush::DirectVif;

struct Options {
  Plan plan;
  std::uint32_t ring = 16;  // KiB
  std::uint32_t vifs = 1;
  std::uint32_t busy = 1;
  int peer = 0;         // hush-backd's process
  std::string control;  // its socket
};

// Looks take system calls, bursts take none. A look is for all vifs, whatever their number.
constexpr unsigned kTurnsPerLook = 32768;

// One vif and what it carries.
struct Lane {
  std::unique_ptr<DirectVif> vif;
  AreaLink* link = nullptr;
  bool busy = false;
  std::uint64_t frames = 0;
  std::optional<PayloadCheck> check;  // of the receiver

  // The links of before step() are not those of after it.
  void step() {
    vif->step();
    if (!vif->link()) throw std::runtime_error("a connection was lost: " + vif->reason());
    link = vif->link()->area();
  }
};

std::unique_ptr<DirectVif> opened(std::uint32_t device, std::uint32_t ring) {
  auto vif = DirectVif::open({.device = device, .ring = ring * 1024, .area_only = true});
  if (!vif) throw std::runtime_error(vif.error().text);
  return std::move(*vif);
}

class Lanes {
 public:
  explicit Lanes(const Options& options) : busy_(options.busy) {
    lanes_.reserve(options.vifs);
    for (std::uint32_t device = 0; device < options.vifs && !stopped(); ++device) {
      Lane& lane = lanes_.emplace_back();
      lane.vif = opened(device, options.ring);
      lane.busy = device < busy_;
      lane.check.emplace(options.plan.size);
    }
    for (Lane& lane : lanes_) connect(lane);
  }
  ~Lanes() {
    for (Lane& lane : lanes_) lane.vif->close(std::chrono::seconds(3));
    ::close(epoll_);
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  [[nodiscard]] std::size_t count() const { return lanes_.size(); }
  [[nodiscard]] std::span<Lane> busy() { return std::span(lanes_).first(busy_); }

  // burst(lane) with the next busy one that has something to do; how many frames, 0 where none has.
  template <class Burst>
  std::uint64_t turn(Burst burst) {
    if (++turns_ % kTurnsPerLook == 0) look();
    for (std::size_t tried = 0; tried < busy_; ++tried) {
      Lane& lane = lanes_[next_];
      next_ = next_ + 1 == busy_ ? 0 : next_ + 1;
      if (const std::uint64_t moved = burst(lane)) {
        lane.frames += moved;
        return moved;
      }
    }
    return 0;
  }
  // Whoever has something to do but frames; and of the busy ones, which have no timer, one after the other.
  void look() {
    std::array<epoll_event, 16> ready{};
    const int count = ::epoll_wait(epoll_, ready.data(), ready.size(), 0);
    for (int i = 0; i < count; ++i) {
      Lane& lane = lanes_[ready.at(static_cast<std::size_t>(i)).data.u32];
      lane.step();
      rest(lane);
    }
    if (busy_ != 0) lanes_[looks_++ % busy_].step();
  }

 private:
  void connect(Lane& lane) {
    while (!stopped() && !lane.vif->link()) {
      if (lane.vif->state() == DirectVif::State::barred) throw std::runtime_error(lane.vif->reason());
      lane.vif->wait(std::chrono::seconds(1));
    }
    if (stopped()) return;
    lane.link = lane.vif->link()->area();
    rest(lane);
    epoll_event interest{.events = EPOLLIN,
                         .data = {.u32 = static_cast<std::uint32_t>(&lane - lanes_.data())}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, lane.vif->fd(), &interest) != 0) give_up("epoll");
  }
  // An idle one sleeps until an event.
  static void rest(Lane& lane) {
    if (!lane.busy) (void)lane.vif->may_wait();
  }

  std::size_t busy_;
  std::vector<Lane> lanes_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::size_t next_ = 0, looks_ = 0;
  unsigned turns_ = 0;
};

// Shares are of what an even one would be, since the traffic began.
nlohmann::json with_lanes(nlohmann::json line, Lanes& lanes, double peer_share) {
  std::uint64_t least = ~std::uint64_t{0}, most = 0, all = 0, events_sent = 0;
  for (const Lane& lane : lanes.busy()) {
    least = std::min(least, lane.frames);
    most = std::max(most, lane.frames);
    all += lane.frames;
    const auto& counters = lane.vif->counters();
    events_sent += counters.in.notifies_sent.get() + counters.out.notifies_sent.get();
  }
  const double even = static_cast<double>(all) / static_cast<double>(lanes.busy().size());
  line["cpu_share"] = std::min(line["cpu_share"].get<double>(), peer_share);
  line["vifs"] = lanes.count();
  line["busy"] = lanes.busy().size();
  line["least_share"] = static_cast<double>(least) / even;
  line["most_share"] = static_cast<double>(most) / even;
  line["events_sent"] = events_sent;
  return line;
}

void receive_from_sources(const Options& options, Lanes& lanes) {
  const Plan& plan = options.plan;
  const auto burst = [&plan](Lane& lane) { return take_burst(*lane.link, *lane.check, plan.burst); };
  const auto peer = ThreadShare::of_backd(options.peer);
  Measure(
      plan, [&] { return lanes.turn(burst); },
      [&](const Window& window) {
        std::uint64_t wrong = 0;
        for (const Lane& lane : lanes.busy()) wrong += lane.check->wrong();
        std::cout << with_lanes(figure(plan, window, wrong), lanes, peer.ran()) << std::endl;
      })
      .run();
}

void send_to_sinks(const Options& options, Lanes& lanes) {
  const Plan& plan = options.plan;
  const auto size = static_cast<std::uint32_t>(plan.size);
  const auto most = static_cast<std::uint32_t>(plan.burst);
  const auto burst = [size, most](Lane& lane) {
    if (!lane.link->has_room_for(most, size)) {
      lane.link->publish();
      return std::uint64_t{0};
    }
    return send_burst(*lane.link, lane.frames, most, size);
  };
  nlohmann::json line;
  const auto peer = ThreadShare::of_backd(options.peer);
  Measure(
      plan, [&] { return lanes.turn(burst); },
      [&](const Window& window) {
        line = with_lanes(figure(plan, window, 0), lanes, peer.ran());
        std::cout << line << std::endl;  // the bench stops this end now
      })
      .run();
  if (line.is_null()) return;
  for (Lane& lane : lanes.busy())
    while (lane.link->unconsumed() != 0) lanes.look();
  std::uint32_t device = 0;
  for (const Lane& lane : lanes.busy())
    if (sum_of_sent(lane.frames, plan.size) !=
        sum_of_sink(options.control, "vif1." + std::to_string(device++)))
      line["wrong"] = line["wrong"].get<std::uint64_t>() + lane.frames;
  std::cout << line << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Frames through the areas of many vifs to hush-backd", "hush-vifs");
  app.fallthrough();  // an option may stand on either side of the command
  const auto* sends = app.add_subcommand("send", "measures what sinks take");
  app.add_subcommand("receive", "measures what sources give");
  app.require_subcommand(1);
  app.add_option("--ring", options.ring, "KiB of each of an area's rings");
  app.add_option("--vifs", options.vifs, "that are connected")->check(CLI::Range(1, 1024));
  app.add_option("--busy", options.busy, "of them have traffic")->check(CLI::Range(1, 1024));
  app.add_option("--peer", options.peer, "hush-backd's process, whose share of its processor is looked at");
  app.add_option("--control", options.control,
                 "hush-backd's socket, where what its sinks have read is compared")
      ->required();
  add_options(app, options.plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(options.plan.cpu, "hush-vifs", [&] {
    if (options.busy > options.vifs) throw std::runtime_error("more busy vifs than there are");
    {
      Lanes lanes(options);
      if (!stopped()) (*sends ? send_to_sinks : receive_from_sources)(options, lanes);
    }
    leave();
  });
}
