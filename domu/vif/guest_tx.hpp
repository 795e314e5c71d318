// From the guest's interface to the back end: frames are read from the TAP straight into pages that were
// granted once, and described on the ring.
//
// The back end can read the pages (never write them), so what is decided here is decided on a private header
// and a private copy of the head.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "common/net/frame.hpp"
#include "common/net/vnet_header.hpp"
#include "domu/vif/counters.hpp"
#include "domu/vif/pass.hpp"
#include "domu/vif/tx_slots.hpp"

namespace hush::domu {

class GuestTx {
 public:
  static constexpr std::uint32_t kPages = TxSlots::kPages;

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
  [[nodiscard]] bool ask_for_event() { return slots_.ask_for_event(); }
  // Answers taken from the ring so far, modulo 2^32.
  [[nodiscard]] std::uint32_t taken() const { return slots_.position().consumed; }
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
  Pass fail(Fault fault);
  Read read_frame(Frame& frame);
  [[nodiscard]] bool describe(Frame& frame);
  [[nodiscard]] bool complete_checksum(std::size_t length);
  void put(const Frame& frame);
  bool drop(TxDrop why);

  TxSlots slots_;
  shm::PageRun buffers_;
  int tap_;
  std::size_t frame_pages_;  // of the largest frame that may be read
  QueueCounters& counters_;

  net::VnetHeader header_{};
  std::array<std::byte, net::kHeadBytes> head_{};
  std::unique_ptr<std::array<std::byte, 16 * kPageSize>> whole_;  // for a checksum to be completed
  bool starved_ = false;
  Fault fault_ = Fault::none;
};

}  // namespace hush::domu
