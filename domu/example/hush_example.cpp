// An application without a TAP, on domu/library/direct_vif.hpp. It sends numbered frames and looks at what
// comes back, in bursts, in place; each frame that is lost, late, doubled or wrong is seen.
//
//   hush-example echo   ...  sends frames to a hush-backd with `port` = echo, and checks that they come back
//   hush-example send   ...  only sends (`port` = sink)
//   hush-example receive ... only receives, and checks what a `port` = source numbers
//
// It ends after --frames frames, with a line of what it saw: status 0 where all was as it should be.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstring>
#include <iostream>
#include <utility>

#include "common/xen/dead_channels.hpp"
#include "domu/library/direct_vif.hpp"

namespace {

using namespace hush;
using namespace std::chrono_literals;

struct Options {
  std::uint32_t device = 0;
  std::uint32_t ring = 1024;  // KiB
  std::uint64_t frames = 1'000'000;
  std::uint32_t size = 64;
  std::uint32_t burst = 32;
  std::uint64_t window = 0;
  bool poll = false;
  bool area = false;
};

std::atomic<bool> stopped = false;

// What a frame carries: its number, again and again, as a source port has it too.
void write_number(std::byte* place, std::uint32_t length, std::uint64_t number) {
  std::uint32_t at = 0;
  for (; at + sizeof number <= length; at += sizeof number) std::memcpy(place + at, &number, sizeof number);
  std::memcpy(place + at, &number, length - at);
}
// The other end can still write the bytes: each is read once, and only compared.
bool carries(std::span<const std::byte> bytes, std::uint64_t number) {
  std::uint64_t wrong = 0;
  std::size_t at = 0;
  for (; at + sizeof number <= bytes.size(); at += sizeof number) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    wrong |= word ^ number;
  }
  std::uint64_t rest = 0, expected = 0;
  std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  std::memcpy(&expected, &number, bytes.size() - at);
  return (wrong | (rest ^ expected)) == 0;
}

class Traffic {
 public:
  Traffic(const Options& options, bool sends, bool receives)
      : options_(options), sends_(sends), receives_(receives) {}

  // Frames are numbered anew on each connection: what was under way is lost with the one before.
  void connected() {
    lost_with_connections_ += under_way();
    sent_ = seen_ = 0;
  }

  // A burst each way. False: there was nothing to do.
  bool turn(Link& link) {
    const bool sent = sends_ && send(link);
    const bool seen = receives_ && receive(link);
    return sent || seen;
  }
  // What it cannot go on without.
  [[nodiscard]] Wanted wanted() const {
    return {.frames = receives_, .room = sends_ && may_send() != 0 ? options_.size : 0};
  }
  [[nodiscard]] bool finished() const {
    return receives_ ? good_ + wrong_ + lost_ >= options_.frames : left_to_send() == 0;
  }
  [[nodiscard]] bool fine() const { return wrong_ == 0; }
  void report(const DirectVif& vif) const {
    const relay::EndCounters& counted = vif.counters();
    std::cout << "sent " << counted.out.packets.get() << " received " << counted.in.packets.get() << " wrong "
              << wrong_ << " lost " << lost_ << " doubled " << doubled_ << " lost with connections "
              << lost_with_connections_ << " connects " << vif.connects() << " events sent "
              << counted.out.notifies_sent.get() + counted.in.notifies_sent.get() << " sleeps "
              << counted.in.sleeps.get() << std::endl;
  }

 private:
  [[nodiscard]] std::uint64_t under_way() const { return sends_ && receives_ ? sent_ - seen_ : 0; }
  // What is sent and not yet seen on this connection counts as sent; what went down with another does not.
  [[nodiscard]] std::uint64_t left_to_send() const {
    return options_.frames -
           std::min(options_.frames, receives_ ? good_ + wrong_ + lost_ + under_way() : all_sent_);
  }

  // Where a window is set, no more than that on the way there and back.
  [[nodiscard]] std::uint64_t may_send() const {
    if (options_.window == 0 || !receives_) return left_to_send();
    return std::min(left_to_send(), options_.window - std::min(options_.window, under_way()));
  }

  bool send(Link& link) {
    const std::uint32_t length = std::min(options_.size, link.max_frame());
    const std::uint64_t most = std::min<std::uint64_t>(options_.burst, may_send());
    std::uint64_t done = 0;
    for (; done < most; ++done) {
      std::byte* const place = link.reserve(length);
      if (!place) break;
      write_number(place, length, sent_++);
      link.commit({.length = length});
    }
    link.publish();
    all_sent_ += done;
    return done != 0;
  }

  bool receive(Link& link) {
    area::Frame frame;
    std::uint32_t done = 0;
    for (; done < options_.burst && link.peek(frame); ++done) take(frame.bytes);
    link.release();
    return done != 0;
  }

  // A back end that died and went on loses some that it had not given yet, or doubles one: then the numbers
  // jump.
  void take(std::span<const std::byte> bytes) {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data(), std::min(bytes.size(), sizeof number));
    if (sends_ && number > seen_ && number < sent_ && carries(bytes, number))
      lost_ += number - std::exchange(seen_, number);
    if (sends_ && number < seen_ && carries(bytes, number))
      ++doubled_;
    else
      ++(carries(bytes, seen_++) ? good_ : wrong_);
  }

  Options options_;
  bool sends_, receives_;
  std::uint64_t sent_ = 0, seen_ = 0;  // on this connection
  std::uint64_t all_sent_ = 0, good_ = 0, wrong_ = 0, lost_ = 0, doubled_ = 0, lost_with_connections_ = 0;
};

int run(const Options& options, bool sends, bool receives) {
  auto opened = DirectVif::open({.device = options.device,
                                 .ring = options.ring * 1024,
                                 .area_only = options.area,
                                 .log = [](std::string_view line) { std::cerr << line << std::endl; },
                                 .keeper = "/proc/self/exe"});
  if (!opened) {
    std::cerr << "hush-example: " << opened.error().text << std::endl;
    return 1;
  }
  DirectVif& vif = **opened;
  Traffic traffic(options, sends, receives);
  std::uint64_t connects = 0;
  constexpr unsigned kTurnsPerStep = 256;  // a step costs system calls, a turn none
  while (!stopped && !traffic.finished()) {
    if (std::exchange(connects, vif.connects()) != vif.connects()) traffic.connected();
    bool idle = true;
    for (unsigned i = 0; Link* const link = i < kTurnsPerStep ? vif.link() : nullptr; ++i) {
      const bool moved = traffic.turn(*link);
      if (moved) idle = false;
      if (traffic.finished() || (!moved && !options.poll)) break;
    }
    if (vif.state() == DirectVif::State::barred) {
      std::cerr << "hush-example: " << vif.reason() << std::endl;
      return 1;
    }
    if (idle && (!options.poll || !vif.link()))
      vif.wait(-1ms, traffic.wanted());
    else
      vif.step();
  }
  traffic.report(vif);
  if (!vif.close(3s)) std::cerr << "the back end does not answer; leaving without it" << std::endl;
  return traffic.fine() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == xen::kKeepsDeadChannels) xen::keep_dead_channels();
  Options options;
  CLI::App app{"Numbered frames through a vif of this guest, without an interface"};
  app.fallthrough();  // an option may stand on either side of the command
  app.set_version_flag("--version", HUSH_VERSION);
  const auto* echo = app.add_subcommand("echo", "sends, and checks that all comes back");
  const auto* send = app.add_subcommand("send", "only sends");
  app.add_subcommand("receive", "only receives, and checks");
  app.require_subcommand(1);
  app.add_option("--device", options.device, "number of the vif: device/vif/N")->capture_default_str();
  app.add_option("--ring", options.ring, "KiB of each ring, a power of two")
      ->check(CLI::Range(4U, 32768U))
      ->capture_default_str();
  app.add_option("--frames", options.frames, "how many")->capture_default_str();
  app.add_option("--size", options.size, "bytes of a frame")
      ->check(CLI::Range(area::kMinFrame, area::kMaxFrame))
      ->capture_default_str();
  app.add_option("--burst", options.burst, "frames that are made visible at once")
      ->check(CLI::Range(1U, 4096U))
      ->capture_default_str();
  app.add_option("--window", options.window, "of echo: frames on the way at most; 0: no limit")
      ->capture_default_str();
  app.add_flag("--poll", options.poll, "never sleep while connected");
  app.add_flag("--area", options.area, "never by the rings of netif.h");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    action.sa_handler = [](int) { stopped = true; };
    sigaction(signal, &action, nullptr);  // without SA_RESTART: it ends a wait
  }
  const bool both = echo->parsed();
  return run(options, both || send->parsed(), both || !send->parsed());
}
