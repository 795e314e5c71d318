// The multicast addresses that a guest wants, and whether it wants no others (multicast control of
// <xen/io/netif.h>). One a vif, shared by its queues.
//
// Any thread may call anything: an entry is one atomic word, nothing locks or allocates. A change takes
// effect for frames that are looked at after it.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hush::dom0 {

class MulticastFilter {
 public:
  using Address = std::array<std::uint8_t, 6>;
  // Addresses that a guest may have listed (XEN_NETBK_MCAST_MAX of Linux's netback).
  static constexpr std::size_t kMax = 64;

  // False: the list is full. As in netback an address added twice is listed twice, and may be any address.
  bool add(const Address& address) {
    for (auto& entry : entries_) {
      std::uint64_t empty = 0;
      if (entry.compare_exchange_strong(empty, pack(address), std::memory_order_relaxed)) return true;
    }
    return false;
  }
  // One entry of it; nothing where it is not listed.
  void remove(const Address& address) {
    for (auto& entry : entries_) {
      std::uint64_t wanted = pack(address);
      if (entry.compare_exchange_strong(wanted, 0, std::memory_order_relaxed)) return;
    }
  }
  void clear() {
    for (auto& entry : entries_) entry.store(0, std::memory_order_relaxed);
  }

  // Whether the list is applied: request-multicast-control. It may be changed before.
  void apply(bool on) { on_.store(on, std::memory_order_relaxed); }

  // True: this frame towards the guest is a multicast that it does not want. Broadcasts always pass.
  [[nodiscard]] bool blocks(std::span<const std::byte> frame) const {
    if (!on_.load(std::memory_order_relaxed) || frame.size() < 6 || (frame[0] & std::byte{1}) == std::byte{0})
      return false;
    Address to{};
    std::transform(frame.begin(), frame.begin() + 6, to.begin(),
                   [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    if (std::all_of(to.begin(), to.end(), [](std::uint8_t b) { return b == 0xff; })) return false;
    return std::none_of(entries_.begin(), entries_.end(), [wanted = pack(to)](const auto& entry) {
      return entry.load(std::memory_order_relaxed) == wanted;
    });
  }

 private:
  // Never 0, which is an empty entry.
  static std::uint64_t pack(const Address& address) {
    std::uint64_t packed = 1;
    for (const std::uint8_t byte : address) packed = packed << 8 | byte;
    return packed;
  }

  std::atomic<bool> on_ = false;
  std::array<std::atomic<std::uint64_t>, kMax> entries_{};
};

}  // namespace hush::dom0
