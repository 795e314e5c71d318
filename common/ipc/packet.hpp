// One message with descriptors over a SOCK_SEQPACKET unix socket.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"

namespace hush::ipc {

// The kernel's limit of descriptors in one message is 253.
inline constexpr size_t kMaxFds = 250;
inline constexpr size_t kMaxPacket = 192 * 1024;

struct Packet {
  std::vector<std::byte> bytes;
  std::vector<UniqueFd> fds;

  template <typename Head>
  bool head(Head& out) const {
    if (bytes.size() < sizeof(Head)) return false;
    __builtin_memcpy(&out, bytes.data(), sizeof(Head));
    return true;
  }
  // The payload after a head of type Head, as whole Items.
  template <typename Head, typename Item>
  std::vector<Item> items() const {
    std::vector<Item> out;
    if (bytes.size() <= sizeof(Head)) return out;
    out.resize((bytes.size() - sizeof(Head)) / sizeof(Item));
    if (!out.empty()) __builtin_memcpy(out.data(), bytes.data() + sizeof(Head), out.size() * sizeof(Item));
    return out;
  }
};

// Both return false with errno set; a closed peer is errno = ECONNRESET.
bool send_packet(int socket, std::span<const std::byte> head, std::span<const std::byte> payload,
                 std::span<const int> fds, int flags = 0);
bool receive_packet(int socket, Packet& packet, int flags = 0);

// A SOCK_SEQPACKET socket connected to the path, or an empty one with errno set.
UniqueFd connect_packet_socket(const std::string& path);

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

}  // namespace hush::ipc
