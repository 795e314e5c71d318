// Frames of 64 B through an area to the running hush-backd, whose `port` is an echo, at given rates, by the
// library for applications. Each line on stdin is a load, `MODE RATE SECONDS`:
//   auto 10000 2     so many frames a second, each at its own time; those that are late go at once
//   poll max 2       as many as go
//   event 0 2        none
// MODE is how this end waits: `poll` asks again without end, `event` sleeps wherever nothing is there or due,
// `auto` decides as hush-backd does (common/poll). It answers each with a JSON line when all frames are back.
// What comes back must be what was sent, in order, or that is its last line and status 1.
#include <sys/prctl.h>

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "common/poll/patience.hpp"
#include "common/poll/wake_cost.hpp"
#include "tools/bench/area_programs/arrivals.hpp"
#include "tools/bench/area_programs/connected_vif.hpp"
#include "tools/bench/area_programs/latencies.hpp"
#include "tools/bench/area_programs/payload.hpp"
#include "tools/bench/area_programs/plan.hpp"
#include "tools/bench/area_programs/thread_share.hpp"

namespace {

using namespace hush::bench;
using namespace std::chrono_literals;
using hush::AreaLink;
using hush::DirectVif;
namespace poll = hush::poll;

constexpr std::uint32_t kFrame = 64;
// What is taken at once, and sent at once where all is always due.
constexpr std::uint32_t kBatch = 32;
// More frames than both rings hold.
constexpr std::size_t kMostOnTheirWay = 1U << 17;
constexpr auto kStepVifEach = 1ms;
constexpr auto kPatience = 20s;  // for the last frame, when sending is over

struct Options {
  int cpu = 0;
  std::uint32_t ring = 1024;  // KiB
  Spacing spacing = Spacing::even;
  int peer = 0;  // hush-backd's process
};

struct Task {
  poll::Mode mode = poll::Mode::automatic;
  double rate = 0;  // frames a second
  double seconds = 0;
};

Task task_from(const std::string& line) {
  Task task;
  std::istringstream in(line);
  std::string mode, rate;
  in >> mode >> rate >> task.seconds;
  const auto* const found = std::find(poll::kModes.begin(), poll::kModes.end(), mode);
  std::istringstream number(rate);
  if (rate == "max")
    task.rate = HUGE_VAL;
  else
    number >> task.rate;
  if (!in || found == poll::kModes.end() || (rate != "max" && (!number || !number.eof())) ||
      !(task.rate >= 0) || !(task.seconds > 0))
    throw std::runtime_error("not a load: " + line);
  task.mode = static_cast<poll::Mode>(found - poll::kModes.begin());
  return task;
}

// How this end waits: what a data thread does for each queue (common/event/data_thread.cpp), and what is due
// soon is an arrival like any other, at a time that is known.
class Waiting {
 public:
  explicit Waiting(poll::Time wake_cost) : rules_{.wake_cost = wake_cost} {}
  void set(poll::Mode mode) {
    rules_.mode = mode;
    patience_.set(rules_);
  }
  void arrived(std::uint64_t frames) { patience_.arrived(frames); }
  void moved() { polls_ = false; }
  // Nothing was there to do: ask again?
  [[nodiscard]] bool polls(Clock::time_point now, Clock::time_point due) {
    if (rules_.mode == poll::Mode::event) return false;
    if (rules_.mode == poll::Mode::poll) return true;
    if (!polls_) until_ = now + patience_.drained(now.time_since_epoch());
    polls_ = now < until_;
    return polls_ || poll::budget(rules_, due - now) > poll::Time(0);
  }

 private:
  poll::Rules rules_;
  poll::Patience patience_;
  bool polls_ = false;
  Clock::time_point until_;
};

// What is told of a load as a difference.
struct Counts {
  explicit Counts(const hush::relay::EndCounters& of)
      : events_sent(of.in.notifies_sent.get() + of.out.notifies_sent.get() + of.out.notifies_late.get()),
        events_received(of.events.get()),
        sleeps(of.polls.sleeps.get()),
        needless(of.polls.needless.get()) {}
  std::uint64_t events_sent, events_received, sleeps, needless;
};

class Load {
 public:
  Load(const Options& options, poll::Time wake_cost)
      : options_(options),
        vif_(connected({.ring = options.ring * 1024, .area_only = true})),
        waiting_(wake_cost),
        due_(kMostOnTheirWay) {}

  nlohmann::json run(const Task& task) {
    const Counts before(vif_->counters());
    const std::uint64_t first = number_;
    latencies_ = {};
    waiting_.set(task.mode);
    const auto peer = ThreadShare::of_backd(options_.peer);
    const auto self = ThreadShare::of_this();
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(task.seconds));
    Arrivals arrivals(task.rate, options_.spacing, begin, number_);
    carry(arrivals, std::isinf(task.rate), end);
    nlohmann::json line = figures(before);
    line["frames"] = number_ - first;
    line["seconds"] = seconds_between(begin, Clock::now());
    line["cpu_share"] = self.ran();
    line["peer_share"] = peer.ran();
    line["waited"] = std::max(self.waited(), peer.waited());
    return line;
  }
  void close() { vif_->close(3s); }

 private:
  [[nodiscard]] AreaLink& link() { return *vif_->link()->area(); }

  // Until the end, and until all is back.
  void carry(Arrivals& arrivals, bool always, Clock::time_point end) {
    for (Clock::time_point now = Clock::now(); now < end || seen_ != number_; now = Clock::now()) {
      if (stopped()) throw std::runtime_error("stopped");
      if (now > end + kPatience)
        throw std::runtime_error(std::to_string(number_ - seen_) + " frames did not come back");
      if (now - stepped_ >= kStepVifEach) step(now);
      const bool sends = now < end;
      const bool sent = sends && (always ? send_batch(now) : send_due(arrivals, now));
      const bool took = take();
      if (sent || took)
        waiting_.moved();
      else
        rest(now, sends ? std::min(arrivals.due(), end) : end + kPatience);
    }
  }

  [[nodiscard]] bool has_room(std::uint32_t frames) {
    return number_ - seen_ + frames <= kMostOnTheirWay && link().has_room_for(frames, kFrame);
  }
  bool send_batch(Clock::time_point now) {
    if (!has_room(kBatch)) return false;
    for (std::uint32_t i = 0; i < kBatch; ++i) put(now);
    link().publish_more();
    return true;
  }
  bool send_due(Arrivals& arrivals, Clock::time_point now) {
    const std::uint64_t first = number_;
    for (; arrivals.due() <= now && has_room(1); arrivals.next()) put(arrivals.due());
    if (number_ != first) link().publish_more();
    return number_ != first;
  }
  void put(Clock::time_point due) {
    std::byte* const place = link().reserve(kFrame);
    if (place == nullptr) throw std::runtime_error("no room where there was some");
    write_payload({place, kFrame}, number_);
    link().commit({.length = kFrame});
    due_[number_++ % kMostOnTheirWay] = due;
  }

  bool take() {
    hush::area::Frame frame;
    const std::uint64_t first = seen_;
    for (; seen_ - first < kBatch && link().peek(frame); ++seen_)
      if (frame.bytes.size() != kFrame || seen_ == number_ ||
          sum_of(frame.bytes) != sum_of_number(seen_, kFrame))
        throw std::runtime_error("frame " + std::to_string(seen_) + " came back as another one");
    if (seen_ == first) return false;
    link().release();
    waiting_.arrived(seen_ - first);
    count(first);
    return true;
  }
  // Those that were due at one time together.
  void count(std::uint64_t number) {
    const Clock::time_point now = Clock::now();
    while (number != seen_) {
      const Clock::time_point due = due_[number % kMostOnTheirWay];
      const std::uint64_t same = number;
      while (number != seen_ && due_[number % kMostOnTheirWay] == due) ++number;
      latencies_.add(std::chrono::nanoseconds(now - due).count(), number - same);
    }
  }

  void rest(Clock::time_point now, Clock::time_point due) {
    if (waiting_.polls(now, due)) return relax();
    // What is due and was not sent has no room.
    const bool lacks_room = due <= now;
    vif_->wait(lacks_room ? kPatience : due - now,
               {.frames = true, .room = lacks_room ? kFrame : std::uint32_t{0}});
    check();
  }
  void step(Clock::time_point now) {
    stepped_ = now;
    vif_->step();
    check();
  }
  void check() const {
    if (!vif_->link() || vif_->connects() != 1)
      throw std::runtime_error("the connection was lost: " + vif_->reason());
  }

  [[nodiscard]] nlohmann::json figures(const Counts& before) const {
    const Counts after(vif_->counters());
    nlohmann::json line{{"role", "load"},
                        {"events_sent", after.events_sent - before.events_sent},
                        {"events_received", after.events_received - before.events_received},
                        {"sleeps", after.sleeps - before.sleeps},
                        {"needless", after.needless - before.needless}};
    for (const auto& [name, part] : {std::pair{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}})
      if (const auto found = latencies_.at(part)) line[name] = std::llround(*found);
    return line;
  }

  const Options& options_;
  std::unique_ptr<DirectVif> vif_;
  Waiting waiting_;
  std::vector<Clock::time_point> due_;  // of each frame on its way
  std::uint64_t number_ = 0, seen_ = 0;
  Latencies latencies_;
  Clock::time_point stepped_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  bool random = false;
  CLI::App app("Frames at given rates through an area to hush-backd and back", "hush-load");
  app.add_option("--cpu", options.cpu, "the processor to run on")->required()->check(CLI::Range(0, 1023));
  app.add_option("--ring", options.ring, "KiB of each of the area's rings");
  app.add_flag("--random", random, "frames are due as they come of many senders, else at even distances");
  app.add_option("--peer", options.peer, "hush-backd's process, whose share of its processor is looked at");
  CLI11_PARSE(app, argc, argv);
  if (random) options.spacing = Spacing::random;
  // Of two processors, as hush-backd measures it: before this one has only one.
  const auto wake_cost = poll::measure_wake_cost();
  return run_on(options.cpu, "hush-load", [&] {
    if (!wake_cost) throw std::runtime_error(wake_cost.error().text);
    // The kernel may end a sleep 50 us late otherwise, for the sake of others.
    ::prctl(PR_SET_TIMERSLACK, 1);
    Load load(options, *wake_cost);
    if (!stopped())
      std::cout << nlohmann::json{{"role", "ready"}, {"wake_cost_ns", wake_cost->count()}} << std::endl;
    for (std::string line; !stopped() && std::getline(std::cin, line);)
      std::cout << load.run(task_from(line)) << std::endl;
    load.close();
  });
}
