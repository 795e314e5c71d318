// hush-udp's other end where the guest has no IP stack: the numbered packets of hush-udp as whole frames that
// the library for applications (domu/library) sends and takes, by whatever path the back end has.
//   hush-frame-udp receive|send --mac OURS --to THEIRS --address OURS --peer THEIRS PORT [SIZE SECONDS]
// It answers no ARP: the peer is told its MAC (ip neigh).
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <iostream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "common/net/frame.hpp"
#include "domu/library/direct_vif.hpp"
#include "tools/bench/programs/udp_talk.hpp"

namespace {

using namespace hush::bench;

struct [[gnu::packed]] Headers {
  ether_header ethernet;
  iphdr ip;
  udphdr udp;
};
static_assert(sizeof(Headers) == 42);
constexpr std::size_t kLargest = 1472;  // bytes of payload: of a frame of 1514

struct Options {
  std::string mac, to, address, peer;
  std::uint16_t port = 0;
  std::size_t size = 64;
  double seconds = 2;
};

in_addr address(const std::string& text) {
  in_addr found{};
  if (::inet_pton(AF_INET, text.c_str(), &found) != 1)
    throw std::runtime_error("'" + text + "' is no IPv4 address");
  return found;
}

void set_mac(std::uint8_t (&place)[ETHER_ADDR_LEN], const std::string& text) {
  ether_addr found{};
  if (::ether_aton_r(text.c_str(), &found) == nullptr) throw std::runtime_error("'" + text + "' is no MAC");
  std::memcpy(place, &found, sizeof place);
}

// The headers of every packet with so many bytes of payload; the same both ways but for the addresses. UDP's
// checksum is left out, which IPv4 allows.
Headers headers(const Options& options, std::size_t payload) {
  Headers made{};
  set_mac(made.ethernet.ether_dhost, options.to);
  set_mac(made.ethernet.ether_shost, options.mac);
  made.ethernet.ether_type = htons(ETHERTYPE_IP);
  iphdr ip{};
  ip.version = 4;
  ip.ihl = sizeof(iphdr) / 4;
  ip.tot_len = htons(static_cast<std::uint16_t>(sizeof(iphdr) + sizeof(udphdr) + payload));
  ip.ttl = 64;
  ip.protocol = IPPROTO_UDP;
  ip.saddr = address(options.address).s_addr;
  ip.daddr = address(options.peer).s_addr;
  hush::net::complete_checksum(std::as_writable_bytes(std::span(&ip, 1)), 0, offsetof(iphdr, check));
  made.ip = ip;
  made.udp.source = made.udp.dest = htons(options.port);
  made.udp.len = htons(static_cast<std::uint16_t>(sizeof(udphdr) + payload));
  return made;
}

volatile std::sig_atomic_t stopped = 0;

// The connection is the bench's alone: one that is lost ends it.
class Talk {
 public:
  explicit Talk(const Options& options)
      : options_(options),
        data_(headers(options, options.size)),
        word_(headers(options, sizeof(Head))),
        frame_(static_cast<std::uint32_t>(sizeof(Headers) + options.size)) {
    auto opened =
        hush::DirectVif::open({.log = [](std::string_view line) { std::cerr << line << std::endl; }});
    if (!opened) throw std::runtime_error(opened.error().text);
    vif_ = std::move(*opened);
    const auto end = Clock::now() + kPatience;
    while (!vif_->link()) {
      if (Clock::now() > end || stopped != 0) throw std::runtime_error("no connection: " + vif_->reason());
      vif_->wait(std::chrono::seconds(1));
    }
  }
  ~Talk() { vif_->close(std::chrono::seconds(3)); }
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  // A batch of data. Where it finds no room it waits for more than one frame's.
  void send_batch(std::uint64_t first) {
    for (std::uint64_t number = first; number != first + kBatch; ++number) {
      std::byte* place = link().reserve(frame_);
      for (; place == nullptr; place = link().reserve(frame_)) {
        if (stopped != 0) throw std::runtime_error("ended while there was no room");
        link().publish();
        vif_->wait(std::chrono::seconds(1), {.frames = false, .room = link().max_frame()});
      }
      put(place, data_, {Kind::kData, 0, number}, options_.size);
      link().commit({.length = frame_});
    }
    link().publish();
  }
  void say(const Head& head) {
    constexpr auto kLength = static_cast<std::uint32_t>(sizeof(Headers) + sizeof(Head));
    std::byte* const place = link().reserve(kLength);
    if (place == nullptr) return;  // it is asked for again
    put(place, word_, head, sizeof head);
    link().commit({.length = kLength});
    link().publish();
  }
  // Each head of the peer's that is there: sees(head). How many there were.
  template <class Sees>
  std::size_t take(Sees sees) {
    std::size_t heads = 0;
    hush::area::Frame frame;
    for (std::size_t frames = 0; frames < kBatch && link().peek(frame); ++frames) {
      Headers ours{};
      Head head;
      if (frame.bytes.size() < sizeof ours + sizeof head) continue;
      std::memcpy(&ours, frame.bytes.data(), sizeof ours);
      if (ours.ethernet.ether_type != htons(ETHERTYPE_IP) || ours.ip.protocol != IPPROTO_UDP ||
          ours.udp.dest != htons(options_.port))
        continue;
      std::memcpy(&head, frame.bytes.data() + sizeof ours, sizeof head);
      data_.udp.dest = word_.udp.dest = ours.udp.source;  // a sender has a port of its own
      sees(head);
      ++heads;
    }
    link().release();
    return heads;
  }
  // What the peers have said goes by that, and the figure with it.
  [[nodiscard]] nlohmann::json with_path(nlohmann::json line) const {
    line["path"] = link().path() == hush::Link::Path::area ? "area" : "netif";
    return line;
  }
  void wait(std::chrono::milliseconds most) { vif_->wait(most); }
  // Until the peer says the same.
  void ask(const Head& head) {
    const auto deadline = Clock::now() + kPatience;
    for (bool answered = false; !answered;) {
      if (Clock::now() > deadline || stopped != 0) throw std::runtime_error("no answer from the peer");
      say(head);
      wait(kAskEvery);
      take([&](const Head& said) { answered |= said.kind == head.kind; });
    }
  }

 private:
  static void put(std::byte* place, const Headers& headers, const Head& head, std::size_t size) {
    std::memcpy(place, &headers, sizeof headers);
    std::memcpy(place + sizeof headers, &head, sizeof head);
    std::memset(place + sizeof headers + sizeof head, 0, size - sizeof head);
  }
  hush::Link& link() const {
    if (vif_->link() == nullptr) throw std::runtime_error("the connection was lost: " + vif_->reason());
    return *vif_->link();
  }
  const Options& options_;
  Headers data_, word_;
  const std::uint32_t frame_;
  std::unique_ptr<hush::DirectVif> vif_;
};

nlohmann::json send(const Options& options) {
  Talk talk(options);
  talk.ask({Kind::kHello, 0, 0});
  std::uint64_t sent = 0;
  const auto begun = Clock::now();
  const auto end =
      begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  auto now = begun;
  for (; now < end && stopped == 0; now = Clock::now(), sent += kBatch) talk.send_batch(sent);
  talk.ask({Kind::kEnd, 0, sent});
  return talk.with_path(was_sent(sent, now - begun));
}

nlohmann::json receive(const Options& options) {
  Talk talk(options);
  Received all;
  auto heard = Clock::now();
  while (!all.ended()) {
    if (talk.take([&](const Head& head) {
          if (all.take(head)) talk.say(head);
        }) != 0) {
      all.end_burst();
      continue;
    }
    if (const auto last = all.last(); last > heard) heard = last;
    if (Clock::now() - heard > kPatience || stopped != 0) throw std::runtime_error("the peer fell silent");
    talk.wait(std::chrono::seconds(1));
  }
  return talk.with_path(all.as_json());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Numbered UDP packets as whole frames, by the library", "hush-frame-udp");
  app.require_subcommand(1);
  const auto common = [&](CLI::App* command) {
    command->add_option("--mac", options.mac, "of this vif")->required();
    command->add_option("--to", options.to, "the peer's MAC")->required();
    command->add_option("--address", options.address, "IPv4, of this end")->required();
    command->add_option("--peer", options.peer, "IPv4, of the other")->required();
    command->add_option("port", options.port, "UDP, at both ends")->required();
    return command;
  };
  common(app.add_subcommand("receive", "counts what one sender sends"));
  auto* const sends = common(app.add_subcommand("send", "sends as fast as it goes"));
  sends->add_option("size", options.size, "bytes of payload")
      ->required()
      ->check(CLI::Range(sizeof(Head), kLargest));
  sends->add_option("seconds", options.seconds)->required()->check(CLI::Range(0.01, 60.0));
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { stopped = 1; });
  try {
    std::cout << (*sends ? send(options) : receive(options)) << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "hush-frame-udp: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
