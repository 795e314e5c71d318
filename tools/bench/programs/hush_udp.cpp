// Numbered UDP packets at saturation, for a few instructions a packet: iperf3 spends some 20,000 on each,
// which hides the back end that is measured. 32 packets a system call, no look at the clock in between.
//   hush-udp receive PORT                       one sender, then it prints what came, as a JSON object
//   hush-udp send ADDRESS PORT SIZE SECONDS     prints what it sent; SIGTERM: that was long enough
// The sender asks until the receiver answers, sends, and tells the number sent until the receiver answers
// again: so neither needs to know when the other was started, and each ends by itself (after kPatience at the
// latest).
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tools/bench/programs/udp_talk.hpp"

namespace {

using namespace hush::bench;
using std::chrono::milliseconds;

constexpr std::size_t kLargest = 65000;  // bytes of payload
constexpr int kSocketBuffer =
    4 << 20;  // the receiver's; the sender keeps the system's default, as programs do

[[noreturn]] void give_up(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct Socket {
  Socket() : fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (fd < 0) give_up("socket");
  }
  ~Socket() { ::close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  bool readable(milliseconds timeout) const {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(timeout.count())) > 0;
  }
  int fd;
};

sockaddr_in address(const std::string& host, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &at.sin_addr) != 1)
    throw std::runtime_error("'" + host + "' is no IPv4 address");
  return at;
}

// A batch of packets of one size in memory of its own, ready for sendmmsg and recvmmsg.
class Batch {
 public:
  explicit Batch(std::size_t size) : bytes_(kBatch * size), size_(size) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {bytes_.data() + i * size, size};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  mmsghdr* messages() { return messages_.data(); }
  Head head(std::size_t i) const {
    Head head;
    std::memcpy(&head, bytes_.data() + i * size_, sizeof head);
    return head;
  }
  void set_head(std::size_t i, const Head& head) {
    std::memcpy(bytes_.data() + i * size_, &head, sizeof head);
  }

 private:
  std::vector<char> bytes_;
  std::size_t size_;
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

// ---- the sender

// Sends `head` until the receiver answers with the same kind.
void ask(const Socket& socket, const Head& head) {
  const auto deadline = Clock::now() + kPatience;
  while (Clock::now() < deadline) {
    // Refused: the receiver is not there yet. A full queue: later.
    (void)::send(socket.fd, &head, sizeof head, 0);
    if (!socket.readable(kAskEvery)) continue;
    Head answer;
    if (::recv(socket.fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer && answer.kind == head.kind)
      return;
  }
  throw std::runtime_error("no answer from the receiver");
}

volatile std::sig_atomic_t long_enough = 0;

nlohmann::json send_all(const Socket& socket, std::size_t size, double seconds) {
  Batch batch(size);
  std::uint64_t sent = 0, calls = 0, refused = 0;
  const auto begun = Clock::now();
  const auto end =
      begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  auto now = begun;
  for (; now < end && long_enough == 0; now = Clock::now()) {
    for (std::size_t i = 0; i < kBatch; ++i) batch.set_head(i, {Kind::kData, 0, sent + i});
    const int done = ::sendmmsg(socket.fd, batch.messages(), kBatch, 0);
    ++calls;
    if (done > 0)
      sent += static_cast<std::uint64_t>(done);
    else if (errno == ENOBUFS || errno == ECONNREFUSED)
      ++refused;
    else
      give_up("sendmmsg");
  }
  ask(socket, {Kind::kEnd, 0, sent});
  nlohmann::json line = was_sent(sent, now - begun);
  line["calls"] = calls;
  line["refused"] = refused;
  return line;
}

nlohmann::json send(const std::string& host, std::uint16_t port, std::size_t size, double seconds) {
  const Socket socket;
  const sockaddr_in to = address(host, port);
  if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) give_up("connect");
  std::signal(SIGTERM, [](int) { long_enough = 1; });
  ask(socket, {Kind::kHello, 0, 0});
  return send_all(socket, size, seconds);
}

// ---- the receiver

void answer(const Socket& socket, const Head& head) {
  (void)::send(socket.fd, &head, sizeof head, 0);
}

// Waits for the one sender, connects to it and greets it.
void accept(const Socket& socket) {
  if (!socket.readable(kPatience)) throw std::runtime_error("no sender came");
  Head hello;
  sockaddr_in from{};
  socklen_t length = sizeof from;
  if (::recvfrom(socket.fd, &hello, sizeof hello, 0, reinterpret_cast<sockaddr*>(&from), &length) < 0)
    give_up("recvfrom");
  if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) give_up("connect");
  answer(socket, hello);
}

void take(const Batch& batch, std::size_t count, const Socket& socket, Received& so_far) {
  for (std::size_t i = 0; i < count; ++i)
    if (const Head head = batch.head(i); so_far.take(head)) answer(socket, head);
}

Received receive_all(const Socket& socket) {
  Received all;
  Batch batch(kLargest);
  while (!all.ended()) {
    const int count = ::recvmmsg(socket.fd, batch.messages(), kBatch, MSG_WAITFORONE, nullptr);
    if (count < 0 && errno == EAGAIN) throw std::runtime_error("the sender fell silent");
    if (count < 0 && errno == ECONNREFUSED) continue;
    if (count < 0) give_up("recvmmsg");
    take(batch, static_cast<std::size_t>(count), socket, all);
    all.end_burst();
  }
  return all;
}

nlohmann::json receive(std::uint16_t port) {
  const Socket socket;
  const sockaddr_in at = address("0.0.0.0", port);
  const timeval patience{std::chrono::seconds(kPatience).count(), 0};
  ::setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  // As root past the system's limit; elsewhere as much as it gives.
  if (::setsockopt(socket.fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) != 0)
    ::setsockopt(socket.fd, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
  if (::bind(socket.fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) give_up("bind");
  accept(socket);
  return receive_all(socket).as_json();
}

}  // namespace

int main(int argc, char** argv) {
  std::string host;
  std::uint16_t port = 0;
  std::size_t size = 64;
  double seconds = 2;
  CLI::App app("Numbered UDP packets at saturation", "hush-udp");
  app.require_subcommand(1);
  auto* receiver = app.add_subcommand("receive", "counts what one sender sends");
  receiver->add_option("port", port)->required();
  auto* sender = app.add_subcommand("send", "sends as fast as it goes");
  sender->add_option("address", host, "the receiver's IPv4 address")->required();
  sender->add_option("port", port)->required();
  sender->add_option("size", size, "bytes of payload")->required()->check(CLI::Range(sizeof(Head), kLargest));
  sender->add_option("seconds", seconds)->required()->check(CLI::Range(0.01, 60.0));
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << (*sender ? send(host, port, size, seconds) : receive(port)) << "\n";
  } catch (const std::exception& error) {
    std::cerr << "hush-udp: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
