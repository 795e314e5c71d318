// From the back end to the guest's interface: frames are written to the TAP straight from pages that were
// granted once, and each request is posted again behind its response.
//
// The back end can write the pages at any time. So the head, which decides where a checksum lies, is copied
// out once, looked at in the copy, and sent from the copy; the rest is the kernel's to copy, once.
#pragma once
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/net/frame.hpp"
#include "common/net/vnet_header.hpp"
#include "domu/vif/counters.hpp"
#include "domu/vif/pass.hpp"
#include "domu/vif/rx_slots.hpp"

namespace hush::domu {

class GuestRx {
 public:
  static constexpr std::uint32_t kPages = RxSlots::kPages;

  // Posts every buffer. buffers and grefs: kPages of them, by page. tap: non-blocking, of the owner.
  // Everything given by reference outlives this.
  GuestRx(netif::RxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap,
          QueueCounters& counters);

  // One batch: writes what is there to the TAP, posts the slots again, publishes once. notify is set where
  // the back end wants an event.
  Pass run(bool& notify);
  // For the next response. True: there is one already, and no event will come for it.
  [[nodiscard]] bool ask_for_event() { return slots_.ask_for_event(); }
  // Answers taken from the ring so far, modulo 2^32.
  [[nodiscard]] std::uint32_t taken() const { return slots_.position().consumed; }
  // After Pass::fault.
  [[nodiscard]] Fault fault() const { return fault_; }

 private:
  void deliver(const RxSlots::Frame& frame);
  std::optional<RxDrop> send(const RxSlots::Frame& frame);
  std::optional<RxDrop> describe(const RxSlots::Frame& frame, std::span<std::byte> head,
                                 net::VnetHeader& header);
  [[nodiscard]] std::size_t copy_head(const RxSlots::Frame& frame);

  RxSlots slots_;
  shm::PageRun buffers_;
  int tap_;
  QueueCounters& counters_;
  std::array<std::byte, net::kHeadBytes> head_{};
  Fault fault_ = Fault::none;
};

}  // namespace hush::domu
