// Frames through a peer of DPDK's, with the payload that all contenders have (testpmd's txonly and rxonly
// touch none). To be started first, since they make the socket:
//   hush-dpdk receive|echo|pong --peer memif|virtio --socket PATH --cpu N ...
// and then:
//   hush-dpdk send|both|ping --peer memif|virtio --socket PATH --cpu N ...
// memif: the first is the server; a frame is copied twice. virtio: the first is vhost-user, the second is
// virtio-user with a packed ring; one copy. An echo hands on the buffers that it got, as an application
// would; its driver copies them on the way back as on the way there. Nothing on the machine needs to be set
// up: no huge pages, and no files but the socket.
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tools/bench/area_programs/both_ways.hpp"
#include "tools/bench/area_programs/one_way.hpp"
#include "tools/bench/area_programs/ping_pong.hpp"

namespace {

using namespace hush::bench;

constexpr std::uint16_t kPort = 0;                               // the only one there is
constexpr auto kAnyNode = static_cast<unsigned>(SOCKET_ID_ANY);  // of memory

struct Device {
  std::string peer = "memif";  // or virtio
  std::string socket;
  bool first = false;                // makes the socket
  std::uint16_t descriptors = 1024;  // of a ring; a power of two
  std::size_t segment = 2048;        // a longer frame is a chain of these; bytes of a buffer too
  bool chains = false;               // there are longer frames
};

std::string device_of(const Device& device) {
  const std::string descriptors = std::to_string(device.descriptors);
  if (device.peer == "memif")
    return "net_memif0,role=" + std::string(device.first ? "server" : "client") + ",socket=" + device.socket +
           ",socket-abstract=no,id=0,rsize=" + std::to_string(std::countr_zero(device.descriptors)) +
           ",bsize=" + std::to_string(device.segment);
  if (device.first) return "net_vhost0,iface=" + device.socket + ",queues=1";
  return "net_virtio_user0,mac=00:11:22:33:44:10,path=" + device.socket +
         ",queues=1,queue_size=" + descriptors +
         ",packed_vq=1,in_order=1,mrg_rxbuf=" + (device.chains ? "1" : "0");
}

[[noreturn]] void refuse(const std::string& what, int error) {
  throw std::system_error(std::abs(error), std::generic_category(), what);
}

void start_eal(int cpu, const Device& device) {
  // It makes a folder for its own use even where it shares nothing. There is no other thread yet.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  ::setenv("RUNTIME_DIRECTORY", std::filesystem::path(device.socket).parent_path().c_str(), 1);
  std::vector<std::string> words{
      "hush-dpdk",      "--lcores", "0@" + std::to_string(cpu), "--no-huge",   "-m",    "256",
      "--no-shconf",    "--no-pci", "--no-telemetry",           "--log-level", "error", "--vdev",
      device_of(device)};
  std::vector<char*> arguments;
  arguments.reserve(words.size());
  for (auto& word : words) arguments.push_back(word.data());
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0)
    refuse("DPDK does not start", rte_errno);
  if (rte_eth_dev_count_avail() != 1) throw std::runtime_error("DPDK has no " + device.peer + " driver");
}

// One port with one queue each way, and the pool of its buffers.
class Port {
 public:
  // `burst` frames are made at a time.
  Port(const Plan& plan, const Device& device, std::size_t burst)
      : size_(plan.size),
        segment_(device.segment),
        per_frame_((plan.size + device.segment - 1) / device.segment),
        burst_(static_cast<std::uint16_t>(burst)),
        parts_(burst * per_frame_) {
    start_eal(plan.cpu, device);
    // Both rings full, what a pool keeps by the core, and two bursts: there are always some left.
    const auto buffers = static_cast<unsigned>(device.descriptors * 2u + 512 + parts_.size() * 2);
    pool_ = rte_pktmbuf_pool_create("frames", buffers, 256, 0,
                                    static_cast<std::uint16_t>(device.segment + RTE_PKTMBUF_HEADROOM),
                                    SOCKET_ID_ANY);
    if (pool_ == nullptr) refuse("a pool of buffers", rte_errno);
    set_up(device.descriptors);
    rte_eth_promiscuous_enable(kPort);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // For the peer to be there.
  void wait_for_link() const {
    const auto begun = Clock::now();
    rte_eth_link link{};
    while (!stopped()) {
      rte_eth_link_get_nowait(kPort, &link);
      if (link.link_status == RTE_ETH_LINK_UP) return;
      if (seconds_between(begun, Clock::now()) > kPatience) throw std::runtime_error("no peer came");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  // Frames with their bytes still to be written, each in as many buffers as it takes. How many: all or none.
  std::uint16_t make(rte_mbuf** frames) {
    if (rte_pktmbuf_alloc_bulk(pool_, parts_.data(), static_cast<unsigned>(parts_.size())) != 0) return 0;
    for (std::uint16_t i = 0; i < burst_; ++i)
      frames[i] = chain(std::span(parts_).subspan(i * per_frame_, per_frame_));
    return burst_;
  }

  // The first of them, as far as there is room; how many.
  std::uint16_t offer(rte_mbuf** frames, std::size_t count) {
    return rte_eth_tx_burst(kPort, 0, frames, static_cast<std::uint16_t>(count));
  }
  // All of them, in order, however long the peer takes.
  void send(rte_mbuf** frames, std::uint16_t count) {
    std::uint16_t sent = 0;
    while (sent < count) {
      const std::uint16_t more = offer(frames + sent, std::size_t{count} - sent);
      sent = static_cast<std::uint16_t>(sent + more);
      if (more != 0) continue;
      if (stopped()) break;
      relax();
    }
    if (sent < count) rte_pktmbuf_free_bulk(frames + sent, count - sent);
  }
  std::uint16_t receive(rte_mbuf** frames, std::uint16_t most) {
    return rte_eth_rx_burst(kPort, 0, frames, most);
  }

 private:
  void set_up(std::uint16_t descriptors) const {
    rte_eth_dev_info about{};
    rte_eth_dev_info_get(kPort, &about);
    rte_eth_conf wanted{};
    rte_eth_txconf sending = about.default_txconf;
    // What the device offers for a pool like ours: whole bursts are given back at once.
    wanted.txmode.offloads = about.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    sending.offloads = wanted.txmode.offloads;
    std::uint16_t receives = descriptors, sends = descriptors;
    int error = rte_eth_dev_configure(kPort, 1, 1, &wanted);
    if (error == 0) error = rte_eth_dev_adjust_nb_rx_tx_desc(kPort, &receives, &sends);
    if (error == 0) error = rte_eth_rx_queue_setup(kPort, 0, receives, kAnyNode, nullptr, pool_);
    if (error == 0) error = rte_eth_tx_queue_setup(kPort, 0, sends, kAnyNode, &sending);
    if (error == 0) error = rte_eth_dev_start(kPort);
    if (error != 0) refuse("the port cannot be set up", error);
  }

  rte_mbuf* chain(std::span<rte_mbuf*> parts) const {
    std::size_t left = size_;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::size_t length = std::min(segment_, left);
      parts[i]->data_len = static_cast<std::uint16_t>(length);
      parts[i]->next = i + 1 < parts.size() ? parts[i + 1] : nullptr;
      left -= length;
    }
    parts[0]->nb_segs = static_cast<std::uint16_t>(parts.size());
    parts[0]->pkt_len = static_cast<std::uint32_t>(size_);
    return parts[0];
  }

  std::size_t size_, segment_, per_frame_;
  std::uint16_t burst_;
  std::vector<rte_mbuf*> parts_;
  rte_mempool* pool_ = nullptr;
};

std::span<std::byte> bytes_of(const rte_mbuf* part) {
  return {rte_pktmbuf_mtod(part, std::byte*), part->data_len};
}

using Burst = std::array<rte_mbuf*, kMaxBurst>;

void write_frame(rte_mbuf* frame, std::uint64_t number) {
  for (rte_mbuf* part = frame; part != nullptr; part = part->next) write_payload(bytes_of(part), number);
}

void send(Port& port) {
  port.wait_for_link();
  Burst burst;
  send_until_stopped([&](std::uint64_t number) -> std::uint64_t {
    const std::uint16_t made = port.make(burst.data());
    for (std::uint16_t i = 0; i < made; ++i) write_frame(burst[i], number + i);
    port.send(burst.data(), made);
    return made;
  });
}

// What has come, at most the plan's burst; how many.
std::uint16_t take_burst(const Plan& plan, Port& port, PayloadCheck& check) {
  Burst burst;
  const auto received = port.receive(burst.data(), static_cast<std::uint16_t>(plan.burst));
  for (std::uint16_t i = 0; i < received; ++i) {
    for (const rte_mbuf* part = burst[i]; part != nullptr; part = part->next) check.piece(bytes_of(part));
    check.end();
  }
  if (received != 0) rte_pktmbuf_free_bulk(burst.data(), received);
  return received;
}

void receive(const Plan& plan, Port& port) {
  measure_receiver(plan, [&](PayloadCheck& check) { return take_burst(plan, port, check); });
}

void send_and_receive(const Plan& plan, Port& port, std::uint64_t ring_holds) {
  port.wait_for_link();
  Burst burst;
  std::uint16_t made = 0, gone = 0;
  measure_both_ways(
      plan, most_on_their_way(plan, ring_holds),
      [&](PayloadCheck& check) { return take_burst(plan, port, check); },
      [&](std::uint64_t number) -> std::uint64_t {
        // What was refused is first in turn. Waiting for room here could be for ever: the echo may wait as
        // well, for this end to take.
        if (gone == made) {
          made = port.make(burst.data());
          gone = 0;
          for (std::uint16_t i = 0; i < made; ++i) write_frame(burst[i], number + i);
        }
        const std::uint16_t more = port.offer(burst.data() + gone, std::size_t{made} - gone);
        gone = static_cast<std::uint16_t>(gone + more);
        return more;
      },
      [](const nlohmann::json& line) { std::cout << line << std::endl; });
}

void echo(const Plan& plan, Port& port) {
  Burst burst;
  echo_until_stopped([&] {
    const auto received = port.receive(burst.data(), static_cast<std::uint16_t>(plan.burst));
    port.send(burst.data(), received);
    return received;
  });
}

void ping_frames(const Plan& plan, Port& port) {
  port.wait_for_link();
  rte_mbuf* frame = nullptr;
  ping(plan, [&](std::uint64_t number) {
    if (port.make(&frame) == 0) throw std::runtime_error("out of buffers");
    write_frame(frame, number);
    port.send(&frame, 1);
    while (!stopped()) {
      if (port.receive(&frame, 1) == 0) continue;
      if (sum_of(bytes_of(frame)) != sum_of_number(number, plan.size))
        throw std::runtime_error("another frame came back");
      rte_pktmbuf_free(frame);
      return true;
    }
    return false;
  });
}

void pong_frames(Port& port) {
  rte_mbuf* frame = nullptr;
  pong([&] {
    while (!stopped()) {
      if (port.receive(&frame, 1) == 0) continue;
      port.send(&frame, 1);
      return true;
    }
    return false;
  });
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  Device device;
  CLI::App app("Frames through DPDK's memif or vhost-user and virtio-user", "hush-dpdk");
  app.fallthrough();  // an option may stand on either side of the command
  auto* sender = app.add_subcommand("send", "sends as fast as it goes");
  auto* receiver = app.add_subcommand("receive", "measures");
  auto* both = app.add_subcommand("both", "sends, and measures what comes back");
  auto* echoes = app.add_subcommand("echo", "sends all of it back");
  auto* pings = app.add_subcommand("ping", "measures");
  auto* pongs = app.add_subcommand("pong", "answers");
  app.require_subcommand(1);
  app.add_option("--peer", device.peer)->required()->check(CLI::IsMember({"memif", "virtio"}));
  app.add_option("--socket", device.socket, "a path")->required();
  app.add_option("--descriptors", device.descriptors, "of a ring")
      ->check(CLI::IsMember({16, 32, 64, 128, 256, 512, 1024, 2048, 4096}));
  app.add_option("--segment", device.segment, "bytes of a buffer, a multiple of 8; longer frames are chains")
      ->check(CLI::Range(std::size_t{1024}, std::size_t{32768}));
  add_options(app, plan);
  CLI11_PARSE(app, argc, argv);
  device.first = receiver->parsed() || echoes->parsed() || pongs->parsed();
  const std::size_t segments = (plan.size + device.segment - 1) / device.segment;
  device.chains = segments > 1;
  return run_on(plan.cpu, "hush-dpdk", [&] {
    Port port(plan, device, pings->parsed() ? 1 : plan.burst);
    if (sender->parsed()) send(port);
    if (receiver->parsed()) receive(plan, port);
    if (both->parsed()) send_and_receive(plan, port, device.descriptors / segments);
    if (echoes->parsed()) echo(plan, port);
    if (pings->parsed()) ping_frames(plan, port);
    if (pongs->parsed()) pong_frames(port);
    leave();
    // Without taking DPDK apart: both ends do so at once here, and there is nothing of it outside of this
    // process.
    std::_Exit(0);
  });
}
