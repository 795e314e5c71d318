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
#include "common/netif/assemble.hpp"
#include "common/netif/wire.hpp"
#include "domu/vif/counters.hpp"
#include "domu/vif/fault.hpp"
#include "domu/vif/pass.hpp"

namespace hush::domu {

class GuestRx {
 public:
  // A page for each slot. A response lies in the slot of its request, and all slots are always posted, so the
  // slot, the request's id and the page are one number.
  static constexpr std::uint32_t kPages = netif::kSlots;

  // Posts every buffer. buffers and grefs: kPages of them, by page. tap: non-blocking, of the owner.
  // Everything given by reference outlives this.
  GuestRx(netif::RxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap,
          QueueCounters& counters);

  // One batch: writes what is there to the TAP, posts the slots again, publishes once. notify is set where
  // the back end wants an event.
  Pass run(bool& notify);
  // For the next response. True: there is one already, and no event will come for it.
  [[nodiscard]] bool ask_for_event() { return ring_.final_check(); }
  // Answers taken from the ring so far, modulo 2^32.
  [[nodiscard]] std::uint32_t taken() const { return ring_.position().consumed; }
  // After Pass::fault.
  [[nodiscard]] Fault fault() const { return fault_; }

 private:
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

  // The next frame, of at most `available` slots. Everything in it has been checked.
  Fault take(std::uint32_t available, Frame& frame);
  Fault take_extras(std::uint32_t available, Frame& frame);
  void deliver(const Frame& frame);
  std::optional<RxDrop> send(const Frame& frame);
  std::optional<RxDrop> describe(const Frame& frame, std::span<std::byte> head, net::VnetHeader& header);
  [[nodiscard]] std::size_t copy_head(const Frame& frame);
  void post(std::uint32_t slots);

  netif::RxFront ring_;
  shm::PageRun buffers_;
  std::span<const std::uint32_t> grefs_;
  int tap_;
  QueueCounters& counters_;
  std::array<std::byte, net::kHeadBytes> head_{};
  Fault fault_ = Fault::none;
};

}  // namespace hush::domu
