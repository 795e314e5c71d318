// A guest's ring page and buffers in ordinary memory, and a socket in the place of the TAP.
#pragma once
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "common/net/vnet_header.hpp"
#include "common/netif/wire.hpp"
#include "tests/support/socket_tap.hpp"

namespace hush::domu {

using Bytes = test::SocketTap::Bytes;

class QueueFixture : public ::testing::Test, protected test::SocketTap {
 protected:
  static constexpr std::uint32_t kPages = netif::kSlots;
  static constexpr std::uint32_t kFirstGref = 1000;  // the gref of page i is kFirstGref + i

  QueueFixture() { std::iota(grefs_.begin(), grefs_.end(), kFirstGref); }

  [[nodiscard]] int tap() const { return fd(); }

  static Bytes pattern(std::size_t length, unsigned seed = 0) {
    Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251 + seed);
    return bytes;
  }
  // Ethernet, IPv4, TCP, then the payload; the checksum is the pseudo-header's alone, here 0x1234.
  static Bytes tcp_frame(std::size_t payload) {
    Bytes frame(54 + payload);
    const auto put = [&](std::size_t at, std::initializer_list<int> values) {
      for (const int v : values) frame[at++] = static_cast<std::byte>(v);
    };
    put(12, {0x08, 0x00, 0x45});
    put(23, {6});
    put(26, {10, 0, 0, 1, 10, 0, 0, 2});
    put(46, {0x50, 0x10});
    put(50, {0x12, 0x34});
    const Bytes data = pattern(payload, 3);
    std::copy(data.begin(), data.end(), frame.begin() + 54);
    return frame;
  }

  [[nodiscard]] std::byte* page(std::size_t i) { return buffers_->bytes + i * kPageSize; }
  [[nodiscard]] shm::PageRun run() { return {buffers_->bytes, kPages}; }
  template <class Sring>
  [[nodiscard]] Sring& ring() {
    return shm::layout_at<Sring>(ring_page_->bytes);
  }

  template <std::size_t Pages>
  struct alignas(kPageSize) Memory {
    std::byte bytes[Pages * kPageSize];
  };
  std::unique_ptr<Memory<1>> ring_page_ = std::make_unique<Memory<1>>();
  std::unique_ptr<Memory<kPages>> buffers_ = std::make_unique<Memory<kPages>>();
  std::array<std::uint32_t, kPages> grefs_{};
};

}  // namespace hush::domu
