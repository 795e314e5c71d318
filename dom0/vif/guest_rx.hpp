// From the TAP to the guest: read frames while the guest has slots for them, copy all in one hypervisor
// call, answer each request in its own slot, publish once.
//
// The backlog is the TAP's own queue (bounded by its txqueuelen, drops counted by the kernel) and at most one
// frame here: while the guest posts no slots nothing is read.
#pragma once
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "dom0/vif/guest_tx.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class GuestRx {
 public:
  GuestRx(netif::RxBack ring, DomId peer, int tap, const xenstore::Features& frontend, BatchMemory& memory,
          QueueCounters& counters);

  // One batch. notify is set where the guest wants an event. idle with starved(): nothing is to be read from
  // the TAP until the guest posts slots (the event for it is asked for).
  Pass run(bool& notify);
  [[nodiscard]] bool starved() const { return starved_; }
  [[nodiscard]] std::string_view fault() const { return fault_; }
  void capture_to(net::Capture* capture) { capture_ = capture; }

 private:
  struct Frame {
    net::VnetHeader header;
    std::size_t page;  // in the scratch, contiguous
    std::size_t length;
    bool gso;
    bool csum_blank;

    [[nodiscard]] std::size_t data_slots() const { return (length + kPageSize - 1) / kPageSize; }
    [[nodiscard]] std::size_t slots() const { return data_slots() + (gso ? 1 : 0); }
  };

  [[nodiscard]] bool next_frame(std::size_t page, Frame& frame);  // false: the TAP is empty
  [[nodiscard]] bool admit(Frame& frame);                         // false: dropped, counted
  void hold(const Frame& frame);
  void copy_out(std::span<const Frame> frames);
  void answer(std::span<const Frame> frames);

  netif::RxBack ring_;
  DomId peer_;
  int tap_;
  xenstore::Features frontend_;
  BatchMemory& memory_;
  QueueCounters& counters_;
  net::Capture* capture_ = nullptr;
  std::string_view fault_;
  bool starved_ = false;

  std::array<Frame, netif::kSlots> frames_{};
  std::array<netif::RxRequest, netif::kSlots> requests_{};
  Frame held_{};  // read, but the guest had not slots enough
  bool holding_ = false;
  std::vector<std::byte> held_bytes_;
};

}  // namespace hush::dom0
