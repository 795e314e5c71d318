// The guest's end of a receive ring (struct netif_rx_* of <xen/io/netif.h>) with its pages, which are granted
// once and always posted.
//
// The back end can write the pages at any time. Each response is read once, checked and used from the copy; a
// lie is a Fault, and the ring is not to be used after it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/netif/assemble.hpp"
#include "common/netif/wire.hpp"
#include "domu/vif/fault.hpp"

namespace hush::domu {

class RxSlots {
 public:
  // A page for each slot. A response lies in the slot of its request, and all slots are always posted, so the
  // slot, the request's id and the page are one number.
  static constexpr std::uint32_t kPages = netif::kSlots;
  // 64 KiB of IP and an Ethernet header with two tags.
  static constexpr std::size_t kMaxFrame = 65535 + 14 + 2 * 4;

  struct Part {  // a data slot
    std::uint16_t page;
    std::uint16_t offset;
    std::uint16_t length;
  };
  struct Frame {
    std::array<Part, netif::kMaxDataSlots> parts;
    std::size_t count = 0;
    std::size_t length = 0;
    std::uint32_t slots = 0;  // with the extra-info slots
    std::uint16_t flags = 0;  // RxFlag of the first slot
    bool failed = false;      // the back end reported an error in one of the slots
    std::optional<netif::Gso> gso;
  };

  // Posts every page. grefs: of kPages of them, by page; it outlives this.
  RxSlots(netif::RxFront ring, std::span<const std::uint32_t> grefs);

  // Slots that are answered and not taken; nullopt: rx_index_impossible.
  [[nodiscard]] std::optional<std::uint32_t> pending() const { return ring_.pending(); }
  // The next frame, of at most `available` slots (of pending(), not 0). Everything in it has been checked.
  // Its pages are the caller's until they are posted.
  [[nodiscard]] Fault take(std::uint32_t available, Frame& frame);
  // So many slots again, of those that were taken first.
  void post(std::uint32_t slots);
  // True: the back end wants an event.
  [[nodiscard]] bool publish() { return ring_.publish(); }
  // For the next response. True: there is one already, and no event will come for it.
  [[nodiscard]] bool ask_for_event() { return ring_.final_check(); }
  [[nodiscard]] ring::Position position() const { return ring_.position(); }

 private:
  Fault take_extras(std::uint32_t available, Frame& frame);

  netif::RxFront ring_;
  std::span<const std::uint32_t> grefs_;
};

}  // namespace hush::domu
