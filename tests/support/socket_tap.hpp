// A socket in the place of a TAP: it keeps frames apart and cuts them as a TAP does.
#pragma once
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "common/net/vnet_header.hpp"

namespace hush::test {

class SocketTap {
 public:
  using Bytes = std::vector<std::byte>;

  SocketTap() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets_.data()), 0);
    const int room = 64 << 20;
    for (const int fd : sockets_) setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  }
  ~SocketTap() {
    for (const int fd : sockets_)
      if (fd >= 0) close(fd);
  }
  SocketTap(const SocketTap&) = delete;
  SocketTap& operator=(const SocketTap&) = delete;

  [[nodiscard]] int fd() const { return sockets_[0]; }
  // The interface is deleted, and its descriptor with it.
  void remove() { close(std::exchange(sockets_[0], -1)); }

  // The kernel's side ends, as a TAP whose interface is gone answers.
  void hang_up() { close(std::exchange(sockets_[1], -1)); }

  // The kernel's side of the TAP.
  void kernel_sends(const Bytes& frame, net::VnetHeader header = {}) {
    Bytes message(sizeof header + frame.size());
    std::memcpy(message.data(), &header, sizeof header);
    std::copy(frame.begin(), frame.end(), message.begin() + sizeof header);
    ASSERT_EQ(send(sockets_[1], message.data(), message.size(), 0), static_cast<ssize_t>(message.size()));
  }
  // The next frame that was written to the TAP; empty when there is none.
  Bytes kernel_receives(net::VnetHeader* header = nullptr) {
    Bytes message(1 << 17);
    const ssize_t got = recv(sockets_[1], message.data(), message.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(net::VnetHeader))) return {};
    if (header) std::memcpy(header, message.data(), sizeof *header);
    return {message.begin() + sizeof(net::VnetHeader), message.begin() + got};
  }

 private:
  std::array<int, 2> sockets_{-1, -1};
};

}  // namespace hush::test
