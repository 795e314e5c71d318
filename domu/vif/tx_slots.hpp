// The guest's end of a transmit ring (struct netif_tx_* of <xen/io/netif.h>) with its pages, which are
// granted once.
//
// A page is free, or belongs to one request until that request's response. The back end can read the pages,
// never write them. Each response is read once, checked and used from the copy; a lie is a Fault, and the
// ring is not to be used after it.
#pragma once
#include <array>
#include <bitset>
#include <cstdint>
#include <span>

#include "common/netif/wire.hpp"
#include "domu/vif/fault.hpp"

namespace hush::domu {

class TxSlots {
 public:
  // A page for each slot: a ring can never ask for more.
  static constexpr std::uint32_t kPages = netif::kSlots;
  // TxRequest::size of the first slot says the whole packet, in 16 bits.
  static constexpr std::size_t kMaxFrame = 65535;
  static constexpr std::size_t kMaxFramePages = (kMaxFrame + kPageSize - 1) / kPageSize;

  // grefs: of kPages pages, by page; it outlives this.
  TxSlots(netif::TxFront ring, std::span<const std::uint32_t> grefs);

  // Takes the answers that are there. refused: of slots that the back end answered with an error, so many
  // more.
  [[nodiscard]] Fault collect(std::uint32_t& refused);
  // For a frame of so many pages, and an extra-info slot.
  [[nodiscard]] bool room(std::size_t pages) const { return free_count_ >= pages && ring_.room() > pages; }
  // The free pages in the order in which put() takes them; i below the number that room() answered for.
  [[nodiscard]] std::uint16_t page_at(std::size_t i) const { return free_[free_count_ - 1 - i]; }
  // The frame in the next free pages, each but the last full. flags: TxFlag of the first slot, without
  // more_data. gso: of type 0 where there is none to do; else flags say extra_info.
  void put(std::size_t length, std::uint16_t flags, const netif::GsoBody& gso);

  [[nodiscard]] bool unpublished() const { return ring_.unpublished(); }
  // True: the back end wants an event.
  [[nodiscard]] bool publish() { return ring_.publish(); }
  // For room: an event at half of what is out, so that the back end has work meanwhile. True: there is some
  // already, and no event will come for it.
  [[nodiscard]] bool ask_for_event();
  // Requests made and answers taken so far, modulo 2^32.
  [[nodiscard]] ring::Position position() const { return ring_.position(); }

 private:
  netif::TxFront ring_;
  std::span<const std::uint32_t> grefs_;
  // The last free_count_ are taken next, in turn.
  std::array<std::uint16_t, kPages> free_{};
  std::size_t free_count_ = kPages;
  std::bitset<kPages> outstanding_;
  std::uint32_t extras_outstanding_ = 0;  // extra-info slots: they have no page and no id
};

[[nodiscard]] constexpr std::size_t pages_of(std::size_t length) {
  return (length + kPageSize - 1) / kPageSize;
}

}  // namespace hush::domu
