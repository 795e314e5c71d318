// From the TAP to the guest: read frames while the guest has slots for them, copy all in one hypervisor
// call, answer each request in its own slot, publish once.
//
// The backlog is the TAP's own queue (bounded by its txqueuelen, drops counted by the kernel) and at most one
// frame in hand here: while the guest lacks slots for that one nothing more is read.
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "dom0/vif/guest_tx.hpp"
#include "dom0/vif/steering.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

// What the queues of a vif share, and which of them this is. Outlives the queue.
struct VifShare {
  MulticastFilter& multicast;
  Steering* steering = nullptr;  // of a front end with a control ring
  std::size_t number = 0;
  std::uint32_t handle = 0;  // of the vif
};

class GuestRx {
 public:
  GuestRx(netif::RxBack ring, DomId peer, int tap, const xenstore::Features& frontend, BatchMemory& memory,
          QueueCounters& counters, const VifShare& share);

  // One batch. idle with starved(): nothing is to be read from
  // the TAP until the guest posts slots.
  Pass run(const Tell& tell);
  // A frame is in hand, and the guest has posted fewer slots than it needs.
  [[nodiscard]] bool starved() const { return holding_; }
  // Slots that the guest did not have for the last frame that needed them; 0: it had enough.
  [[nodiscard]] std::uint32_t wanted() const { return wanted_; }
  // For wanted() slots, where it is not 0. True: they are there already, and no event will come for them.
  [[nodiscard]] bool ask_for_event() { return ring_.final_check(wanted_); }
  // No frame is in hand: one slot will do to begin with, whatever the last frame needed.
  void want_one() { wanted_ = std::min(wanted_, 1U); }
  // Drops the frame in hand, and those that wait behind it in the TAP (no more than so long a backlog at a
  // time).
  void drop_backlog();
  static constexpr std::size_t kLongestBacklog = 1000;  // the txqueuelen of a TAP, unless an admin changes it
  // Slots that the guest has posted: its word, for a person to read.
  [[nodiscard]] std::uint32_t posted() const { return ring_.pending().value_or(0); }
  // Requests taken from the ring so far, modulo 2^32.
  [[nodiscard]] std::uint32_t taken() const { return ring_.position().consumed; }
  [[nodiscard]] std::string_view fault() const { return fault_; }
  void capture_to(net::Capture* capture) { capture_ = capture; }
  [[nodiscard]] ring::Look look() const { return ring_.look(); }

 private:
  struct Frame {
    net::VnetHeader header;
    std::size_t at;  // in the thread's pages, contiguous
    std::size_t length;
    std::size_t segments;  // of the grant copy
    bool gso;
    bool csum_blank;
    std::optional<PacketHash> hash;

    [[nodiscard]] std::size_t data_slots() const { return (length + kPageSize - 1) / kPageSize; }
    [[nodiscard]] std::size_t extras() const { return (gso ? 1U : 0U) + (hash ? 1U : 0U); }
    [[nodiscard]] std::size_t slots() const { return data_slots() + extras(); }
  };

  [[nodiscard]] std::size_t gather(std::size_t room, bool& dropped);
  [[nodiscard]] bool next_frame(std::size_t at, Frame& frame);  // false: there is none
  [[nodiscard]] bool admit(Frame& frame);                       // false: dropped, counted
  void hold(const Frame& frame);
  void copy_out(std::span<Frame> frames);
  void copy_slot(const netif::RxRequest& to, std::span<const std::byte> bytes);
  void answer(std::span<const Frame> frames);
  void put_responses(const Frame& frame, const netif::RxRequest* request, bool copied);
  void put_extras(const Frame& frame);

  netif::RxBack ring_;
  DomId peer_;
  int tap_;
  xenstore::Features frontend_;
  BatchMemory& memory_;
  QueueCounters& counters_;
  const MulticastFilter& multicast_;
  const Steering* steering_;
  FrameBacklog* backlog_;  // of steering_
  net::Capture* capture_ = nullptr;
  std::string_view fault_;
  std::uint32_t wanted_ = 0;

  std::array<Frame, netif::kSlots> frames_{};
  std::array<netif::RxRequest, netif::kSlots> requests_{};
  Frame held_{};  // read, but the guest had not slots enough
  bool holding_ = false;
  std::vector<std::byte> held_bytes_;
};

}  // namespace hush::dom0
