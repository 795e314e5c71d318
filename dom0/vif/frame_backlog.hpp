// Whole frames that were read from the TAP and wait for a queue of the guest: a bounded run of bytes, first
// in, first out. Allocates once. Not thread-safe.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "common/net/vnet_header.hpp"
#include "dom0/vif/packet_hash.hpp"

namespace hush::dom0 {

struct WaitingFrame {
  net::VnetHeader header;
  std::uint32_t length;
  std::optional<PacketHash> hash;
};

class FrameBacklog {
 public:
  // As much as Linux's netback lets wait for a queue: XENVIF_RX_QUEUE_BYTES, half a ring of pages.
  static constexpr std::size_t kBytes = std::size_t{512} * 1024;

  explicit FrameBacklog(std::size_t bytes = kBytes) : ring_(bytes) {}

  [[nodiscard]] bool empty() const { return used_ == 0; }
  // False: no room, nothing was kept. bytes.size() is frame.length.
  [[nodiscard]] bool push(const WaitingFrame& frame, std::span<const std::byte> bytes) {
    if (sizeof frame + bytes.size() > ring_.size() - used_) return false;
    put(std::as_bytes(std::span(&frame, 1)));
    put(bytes);
    return true;
  }
  // Of a backlog that is not empty; room holds any frame that was pushed.
  WaitingFrame pop(std::span<std::byte> room) {
    WaitingFrame frame;
    take(std::as_writable_bytes(std::span(&frame, 1)));
    take(room.first(frame.length));
    return frame;
  }

 private:
  static_assert(std::is_trivially_copyable_v<WaitingFrame>);

  void put(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;  // its address may be null, which memcpy must not be given
    const std::size_t at = (first_ + used_) % ring_.size();
    const std::size_t straight = std::min(bytes.size(), ring_.size() - at);
    std::memcpy(ring_.data() + at, bytes.data(), straight);
    std::memcpy(ring_.data(), bytes.data() + straight, bytes.size() - straight);
    used_ += bytes.size();
  }
  void take(std::span<std::byte> to) {
    if (to.empty()) return;
    const std::size_t straight = std::min(to.size(), ring_.size() - first_);
    std::memcpy(to.data(), ring_.data() + first_, straight);
    std::memcpy(to.data() + straight, ring_.data(), to.size() - straight);
    first_ = (first_ + to.size()) % ring_.size();
    used_ -= to.size();
  }

  std::vector<std::byte> ring_;
  std::size_t first_ = 0;
  std::size_t used_ = 0;
};

}  // namespace hush::dom0
