// From the guest's interface to the back end: frames are read from the TAP straight into pages that were
// granted once, and described on the ring.
//
// A page is free, or belongs to one request until that request's response. The back end can read the pages
// (never write them), so what is decided here is decided on a private header and a private copy of the head.
#pragma once
#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>

#include "common/net/frame.hpp"
#include "common/net/vnet_header.hpp"
#include "common/netif/wire.hpp"
#include "domu/vif/counters.hpp"
#include "domu/vif/fault.hpp"
#include "domu/vif/pass.hpp"

namespace hush::domu {

class GuestTx {
 public:
  // A page for each slot: a ring can never ask for more.
  static constexpr std::uint32_t kPages = netif::kSlots;

  // buffers and grefs: kPages of them, by page. tap: non-blocking, of the owner. sg: a frame may take several
  // slots. Everything given by reference outlives this.
  GuestTx(netif::TxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap, bool sg,
          QueueCounters& counters);

  // One batch: collects responses, then reads frames while there is room for the largest and publishes them
  // once. notify is set where the back end wants an event. Afterwards, with starved(), nothing is to be read
  // from the TAP until the back end answers. Idle or fault; idle while the TAP may hold more.
  Pass run(bool& notify);
  [[nodiscard]] bool starved() const { return starved_; }
  // For room, when starved(). True: there is some already, and no event will come for it.
  [[nodiscard]] bool ask_for_event();
  // Answers taken from the ring so far, modulo 2^32.
  [[nodiscard]] std::uint32_t taken() const { return ring_.position().consumed; }
  // After Pass::fault.
  [[nodiscard]] Fault fault() const { return fault_; }

 private:
  enum class Read : std::uint8_t { frame, dropped, empty, failed };
  // How the frame that was just read is to be described to the back end.
  struct Frame {
    std::size_t length = 0;
    std::uint16_t flags = 0;  // TxFlag of the first slot, without more_data
    netif::GsoBody gso{};     // type 0: none
  };

  Pass collect();
  [[nodiscard]] bool room() const;
  Pass fail(Fault fault);
  Read read_frame(Frame& frame);
  [[nodiscard]] bool describe(Frame& frame);
  [[nodiscard]] bool complete_checksum(std::size_t length);
  void put(const Frame& frame);
  bool drop(TxDrop why);
  [[nodiscard]] std::uint16_t page_at(std::size_t i) const { return free_[free_count_ - 1 - i]; }

  netif::TxFront ring_;
  shm::PageRun buffers_;
  std::span<const std::uint32_t> grefs_;
  int tap_;
  std::size_t frame_pages_;  // of the largest frame that may be read
  QueueCounters& counters_;

  // The last free_count_ are taken next, in turn.
  std::array<std::uint16_t, kPages> free_{};
  std::size_t free_count_ = kPages;
  std::bitset<kPages> outstanding_;
  std::uint32_t extras_outstanding_ = 0;  // extra-info slots: they have no page and no id
  net::VnetHeader header_{};
  std::array<std::byte, net::kHeadBytes> head_{};
  std::unique_ptr<std::array<std::byte, 16 * kPageSize>> whole_;  // for a checksum to be completed
  bool starved_ = false;
  Fault fault_ = Fault::none;
};

}  // namespace hush::domu
