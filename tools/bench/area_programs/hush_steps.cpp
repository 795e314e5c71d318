// Sends a schedule of steps through an area to the running hush-backd, whose `port` is a sink (or, with
// --echo, an echo), by the library for applications, and says what became of it over time.
//   hush-steps --cpu N --step idle:2 --step stream:64:5 --step bursts:1500:716800:20:5
//
// At its end it prints JSON lines: {"role": "sample"} each 50 ms, counters since the begin; one {"role":
// "step"} each; {"role": "sender"} with the sum that the sink must have read. Times are of the monotonic
// clock. Then it stays, connected, until its stdin ends.
#include <poll.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/bench/area_programs/connected_vif.hpp"
#include "tools/bench/area_programs/payload.hpp"
#include "tools/bench/area_programs/plan.hpp"
#include "tools/bench/area_programs/process.hpp"
#include "tools/bench/area_programs/step.hpp"

namespace {

using namespace hush::bench;
using namespace std::chrono_literals;
using hush::AreaLink;
using hush::DirectVif;

// A look at the clock costs as much as a small frame: one each so many turns.
constexpr unsigned kTurnsPerLook = 64;
constexpr auto kStepVifEach = 1ms;
constexpr auto kSampleEach = 50ms;
// What is made visible at once: as many frames as 64 KiB hold, and 32 of them at most.
constexpr std::uint32_t kBatchBytes = 64U << 10;
constexpr std::uint32_t kBatchFrames = 32;

struct Options {
  int cpu = 0;
  std::uint32_t ring = 256;  // KiB; 0: as the back end advises
  bool offloads = false;
  bool echo = false;
  std::vector<Step> steps;
};

std::int64_t nanoseconds(Clock::time_point at) {
  return std::chrono::nanoseconds(at.time_since_epoch()).count();
}

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        vif_(connected({.ring = options.ring * 1024, .offloads = options.offloads, .area_only = true})) {}

  void run() {
    begun_ = now_ = next_sample_ = Clock::now();
    for (const Step& step : options_.steps) {
      if (stopped()) break;
      sends(step);
    }
    sample();
    for (const auto deadline = Clock::now() + 5s; !stopped() && !is_over() && Clock::now() < deadline; look())
      take();
  }
  void report() const {
    for (const auto& line : lines_) std::cout << line << '\n';
    std::uint64_t sum = 0;
    for (const Range& of : ranges_)
      for (std::uint64_t number = of.first; number != of.end; ++number) sum += sum_of_number(number, of.size);
    std::cout << nlohmann::json{{"role", "sender"}, {"frames", number_},
                                {"sum", sum},       {"echo", seen_},
                                {"wrong", wrong_},  {"connects", vif_->connects()},
                                {"waits", waits_},  {"cpu_share", cpu_.share()}}
              << std::endl;
  }
  // Connected and idle.
  void stay() { vif_->wait(100ms); }
  void close() { vif_->close(3s); }

 private:
  struct Range {
    std::uint64_t first, end;
    std::uint32_t size;
  };

  [[nodiscard]] AreaLink& link() { return *vif_->link()->area(); }
  [[nodiscard]] bool is_over() { return link().unconsumed() == 0 && (!options_.echo || seen_ == number_); }

  void sends(const Step& step) {
    const auto before = counts();
    const Clock::time_point begin = Clock::now();
    end_ = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(step.seconds));
    const bool fits = step.frame <= link().max_frame();
    const std::uint64_t first = number_;
    if (step.kind == Step::Kind::stream && fits) stream(step.frame);
    if (step.kind == Step::Kind::bursts && fits) bursts(step);
    if (step.kind == Step::Kind::idle || !fits) rest_until(end_);
    ranges_.push_back({first, number_, step.frame});
    now_ = Clock::now();
    nlohmann::json line = counts();
    for (auto& [key, value] : line.items())
      value = value.get<std::uint64_t>() - before.at(key).get<std::uint64_t>();
    line.update({{"role", "step"},
                 {"step", step_},
                 {"begin_ns", nanoseconds(begin)},
                 {"end_ns", nanoseconds(now_)},
                 {"fits", fits}});
    lines_.push_back(line);
    ++step_;
  }

  void stream(std::uint32_t size) {
    const std::uint32_t batch = batch_of(size);
    while (!is_time())
      for (unsigned i = 0; i < kTurnsPerLook; ++i) offered_ += turn(batch, size);
  }

  void bursts(const Step& step) {
    const std::uint32_t batch = batch_of(step.frame);
    Clock::time_point due = now_;
    while (!is_time()) {
      const Clock::time_point begin = now_;
      std::uint64_t left = step.burst / step.frame;
      offered_ += left * step.frame;
      while (left != 0 && !is_time())
        for (unsigned i = 0; i < kTurnsPerLook && left != 0; ++i)
          left -=
              turn(static_cast<std::uint32_t>(std::min<std::uint64_t>(batch, left)), step.frame) / step.frame;
      look();
      ++bursts_;
      in_bursts_ += now_ - begin;
      due += std::chrono::milliseconds(step.each);
      rest_until(std::min(due, end_));
    }
  }

  static std::uint32_t batch_of(std::uint32_t size) {
    return std::clamp(kBatchBytes / size, 1U, kBatchFrames);
  }

  // Sends a batch, or notes that there is no room for it. Bytes that went.
  std::uint64_t turn(std::uint32_t batch, std::uint32_t size) {
    take();
    if (!link().has_room_for(batch, size)) {
      if (!waiting_) {
        waiting_ = true;
        ++waits_;
        waits_since_ = Clock::now();
        link().publish();
      }
      relax();
      return 0;
    }
    if (waiting_) {
      waiting_ = false;
      waited_ += Clock::now() - waits_since_;
    }
    const std::uint64_t first = number_;
    for (const std::uint64_t end = number_ + batch; number_ != end; ++number_) {
      std::byte* const place = link().reserve(size);
      if (place == nullptr) break;
      write_payload({place, size}, number_);
      link().commit({.length = size});
    }
    link().publish_more();
    bytes_ += (number_ - first) * size;
    return (number_ - first) * size;
  }

  // What an echo sends back: each must be the next one.
  void take() {
    if (!options_.echo) return;
    hush::area::Frame frame;
    unsigned came = 0;
    for (; came < kBatchFrames && link().peek(frame); ++came)
      wrong_ += sum_of(frame.bytes) != sum_of_number(seen_++, frame.record.length);
    if (came != 0) link().release();
  }

  void rest_until(Clock::time_point until) {
    for (look(); now_ < until && !stopped(); look()) {
      const auto left = std::chrono::floor<std::chrono::milliseconds>(until - now_);
      if (left < 1ms) {
        relax();
      } else {
        vif_->wait(std::min<std::chrono::milliseconds>(left, kSampleEach),
                   {.frames = options_.echo, .room = 0});
        take();
        check();
      }
    }
  }

  [[nodiscard]] bool is_time() {
    look();
    return now_ >= end_ || stopped();
  }
  void look() {
    now_ = Clock::now();
    if (now_ >= next_sample_) {
      sample();
      next_sample_ = std::max(next_sample_ + kSampleEach, now_);
    }
    if (now_ - stepped_ < kStepVifEach) return;
    stepped_ = now_;
    vif_->step();
    check();
  }
  void check() const {
    if (!vif_->link() || vif_->connects() != 1)
      throw std::runtime_error("the connection was lost: " + vif_->reason());
  }

  [[nodiscard]] nlohmann::json counts() const {
    return {{"offered", offered_},
            {"bytes", bytes_},
            {"frames", number_},
            {"waits", waits_},
            {"waited_ns", std::chrono::nanoseconds(waited_).count()},
            {"bursts", bursts_},
            {"in_bursts_ns", std::chrono::nanoseconds(in_bursts_).count()}};
  }
  void sample() {
    nlohmann::json line = counts();
    line.update({{"role", "sample"}, {"at_ns", nanoseconds(now_)}, {"step", step_}});
    lines_.push_back(std::move(line));
  }

  const Options& options_;
  std::unique_ptr<DirectVif> vif_;
  CpuShare cpu_;
  Clock::time_point begun_, now_, end_, stepped_, next_sample_, waits_since_;
  Clock::duration waited_{}, in_bursts_{};
  unsigned step_ = 0;
  std::uint64_t number_ = 0, seen_ = 0, wrong_ = 0;
  std::uint64_t offered_ = 0, bytes_ = 0, waits_ = 0, bursts_ = 0;
  bool waiting_ = false;
  std::vector<Range> ranges_;
  std::vector<nlohmann::json> lines_;
};

// stdin ends when the bench has looked at everything.
bool is_wanted() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char byte = 0;
  return ::poll(&input, 1, 0) == 0 || ::read(STDIN_FILENO, &byte, 1) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::string> steps;
  CLI::App app("Steps of load through an area to hush-backd", "hush-steps");
  app.add_option("--cpu", options.cpu, "the processor to run on")->required()->check(CLI::Range(0, 1023));
  app.add_option("--ring", options.ring, "KiB of each ring at first; 0: as the back end advises");
  app.add_flag("--offloads", options.offloads, "take frames with work left to do: no ring is below 256 KiB");
  app.add_flag("--echo", options.echo, "the port is an echo: check what comes back, its order too");
  app.add_option("--step", steps, "idle:SECONDS, stream:FRAME:SECONDS, bursts:FRAME:BYTES:EACH_MS:SECONDS")
      ->required();
  CLI11_PARSE(app, argc, argv);
  return run_on(options.cpu, "hush-steps", [&] {
    for (const std::string& text : steps) options.steps.push_back(step_from(text));
    Load load(options);
    load.run();
    load.report();
    while (!stopped() && is_wanted()) load.stay();
    load.close();
  });
}
