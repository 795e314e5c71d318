// The packet path of hush-backd in this process: GuestTx and GuestRx over a guest of tests/support/fake_xen,
// with a socket in the place of the TAP (it keeps frames apart and cuts them as a TAP does). The guest's ends
// of the rings are ours to lie with.
#pragma once
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "common/net/vnet_header.hpp"
#include "dom0/vif/guest_rx.hpp"
#include "dom0/vif/guest_tx.hpp"
#include "tests/support/fake_xen/world.hpp"

namespace hush::test {

using Bytes = std::vector<std::byte>;

inline xenstore::Features every_feature() {
  xenstore::Features f;
  f.sg = f.gso_tcpv4 = f.gso_tcpv6 = f.ipv6_csum = true;
  return f;
}

inline Bytes pattern(std::size_t length, unsigned seed = 0) {
  Bytes bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251 + seed);
  return bytes;
}

// Two ends of a socket for a TAP: [0] is the daemon's, [1] the kernel's.
class FakeTap {
 public:
  FakeTap() {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_.data()) != 0)
      throw std::runtime_error("socketpair");
    const int bytes = 8 << 20;
    for (const int fd : ends_) setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  }
  FakeTap(const FakeTap&) = delete;
  FakeTap& operator=(const FakeTap&) = delete;
  ~FakeTap() {
    for (const int fd : ends_) close(fd);
  }
  [[nodiscard]] int fd() const { return ends_[0]; }
  // False: the queue of the TAP is full, as txqueuelen makes it.
  bool give(const Bytes& frame, net::VnetHeader header = {}) {
    Bytes message(sizeof header + frame.size());
    std::memcpy(message.data(), &header, sizeof header);
    if (!frame.empty()) std::memcpy(message.data() + sizeof header, frame.data(), frame.size());
    return send(ends_[1], message.data(), message.size(), 0) == static_cast<ssize_t>(message.size());
  }
  // The next frame that the daemon wrote; nullopt: none.
  std::optional<Bytes> take() {
    const ssize_t got = recv(ends_[1], message_.data(), message_.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(net::VnetHeader))) return std::nullopt;
    return Bytes{message_.begin() + sizeof(net::VnetHeader), message_.begin() + got};
  }

 private:
  std::array<int, 2> ends_{-1, -1};
  Bytes message_ = Bytes(1 << 17);
};

inline std::unique_ptr<dom0::BatchMemory> batch_memory(xen::GrantTable& grants) {
  return std::make_unique<dom0::BatchMemory>(grants,
                                             *xen::CopyPages::create(dom0::BatchMemory::kPages, DomId{0}));
}

class BackRig {
 public:
  explicit BackRig(const xenstore::Features& frontend = every_feature()) : BackRig(frontend, fresh_world()) {}

  // ---- the guest
  netif::TxSring& tx_page() { return shm::layout_at<netif::TxSring>(xen.page(tx_gref_).bytes); }
  netif::RxSring& rx_page() { return shm::layout_at<netif::RxSring>(xen.page(rx_gref_).bytes); }
  GuestPage& tx_bytes() { return xen.page(tx_gref_); }
  void send(const std::vector<netif::TxRequest>& requests) {
    for (const auto& request : requests) tx_front.put(request);
    (void)tx_front.publish();
  }
  void post(const std::vector<netif::RxRequest>& requests) {
    for (const auto& request : requests) rx_front.put(request);
    (void)rx_front.publish();
  }
  // All answers that are there. Throws where the back end's index is impossible.
  std::vector<netif::TxResponse> tx_answers() { return answers(tx_front); }
  std::vector<netif::RxResponse> rx_answers() { return answers(rx_front); }

  // ---- the back end: passes until there is nothing more to do. False: a fault, and it is not to run again.
  bool run_tx() { return run(tx); }
  bool run_rx() { return run(rx); }

  FakeXen& xen;
  std::uint32_t data = xen.grant();  // a page for frames
  FakeTap tap;

 private:
  std::uint32_t tx_gref_ = xen.grant();
  std::uint32_t rx_gref_ = xen.grant();

 public:
  netif::TxFront tx_front = netif::TxFront::create(tx_page());
  netif::RxFront rx_front = netif::RxFront::create(rx_page());
  xen::GrantTable grants;
  std::unique_ptr<dom0::BatchMemory> memory_owner = batch_memory(grants);
  dom0::BatchMemory& memory = *memory_owner;
  dom0::QueueCounters counters;
  dom0::MulticastFilter multicast;
  dom0::GuestTx tx;
  dom0::GuestRx rx;

 private:
  static FakeXen& fresh_world() {
    FakeXen::get().reset();
    return FakeXen::get();
  }
  BackRig(const xenstore::Features& frontend, FakeXen& world)
      : xen(world),
        grants(*xen::GrantTable::open()),
        tx(netif::TxBack::attach(tx_page(), {}), kGuest, tap.fd(), memory, counters, multicast),
        rx(netif::RxBack::attach(rx_page(), {}), kGuest, tap.fd(), frontend, memory, counters,
           dom0::VifShare{multicast}) {}

  template <class Direction>
  bool run(Direction& direction) {
    for (int pass = 0; pass < kPasses; ++pass) {
      switch (direction.run([](bool) {})) {
        case dom0::Pass::fault:
          return false;
        case dom0::Pass::idle:
          return true;
        default:
          break;
      }
    }
    throw std::runtime_error("the back end does not come to rest");
  }
  template <class Front>
  std::vector<typename Front::In> answers(Front& front) {
    const auto pending = front.pending();
    if (!pending) throw std::runtime_error("the back end's index is impossible");
    std::vector<typename Front::In> all;
    for (std::uint32_t i = 0; i < *pending; ++i) all.push_back(front.take());
    return all;
  }
  static constexpr int kPasses = 10000;
};

}  // namespace hush::test
