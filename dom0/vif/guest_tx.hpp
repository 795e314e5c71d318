// From the guest to the TAP: drain the ring, copy every slot in one hypervisor call, write the frames,
// answer, publish once.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string_view>

#include "common/net/capture.hpp"
#include "common/net/frame.hpp"
#include "common/net/vnet_header.hpp"
#include "common/netif/assemble.hpp"
#include "common/xen/copy_pages.hpp"
#include "common/xen/grant_table.hpp"
#include "dom0/vif/counters.hpp"
#include "dom0/vif/multicast_filter.hpp"
#include "dom0/vif/rate_limiter.hpp"
#include "dom0/vif/tx_inflight.hpp"

namespace hush::dom0 {

// Called for each publication: the peer is to get an event for it where that was wanted.
using Tell = std::function<void(bool wanted)>;

// What a pass over a ring ended with.
enum class Pass : std::uint8_t {
  idle,   // there was nothing to do
  moved,  // something: there may be more
  fault,  // the peer lied: the queue must not run again
};

// An interface that an admin deletes: a descriptor that is always ready must not be polled.
inline constexpr const char* kTapIsGone = "its TAP is gone";

// What the queues of a data thread share; a batch uses it from start to end.
struct BatchMemory {
  // Pages for a ringful of slots, and behind them room for the largest frame that a TAP gives.
  static constexpr std::size_t kPages = netif::kSlots + 17;

  // The table outlives it; pages: kPages of them.
  BatchMemory(xen::GrantTable& table, xen::CopyPages private_pages);

  xen::GrantTable& grants;
  xen::CopyPages pages;
  xen::CopyBatch copies;
  std::array<netif::TxRequest, netif::kSlots> requests;
  std::array<std::uint32_t, netif::kSlots> places;  // where in pages a guest_tx slot's bytes are
  std::unique_ptr<std::array<netif::TxPacket, netif::kSlots>> packets;
};

class GuestTx {
 public:
  // tap: non-blocking, of the owner. Everything given by reference outlives this. inflight: of this ring,
  // which stands where its plan says; null: nothing is kept for the daemon after this one.
  GuestTx(netif::TxBack ring, DomId peer, int tap, BatchMemory& memory, QueueCounters& counters,
          MulticastFilter& multicast, std::unique_ptr<TxInflight> inflight = nullptr);

  // One batch: at most a ringful.
  Pass run(const Tell& tell);
  // For the next request. True: there is one already, and no event will come for it.
  [[nodiscard]] bool ask_for_event() { return ring_.final_check(); }
  // Requests taken from the ring so far, modulo 2^32.
  [[nodiscard]] std::uint32_t taken() const { return ring_.position().consumed; }
  // Requests wait in the ring for credit: when their turn begins. No event is wanted for them.
  [[nodiscard]] std::optional<RateLimiter::Time> waits_for_credit() const {
    return short_of_credit_ ? std::optional(credit_.due()) : std::nullopt;
  }
  void limit_by(std::shared_ptr<RateLimiter> limiter) { credit_.limit_by(std::move(limiter)); }
  // After a fault.
  [[nodiscard]] std::string_view fault() const { return fault_; }
  void capture_to(net::Capture* capture) { capture_ = capture; }  // null: off
  [[nodiscard]] ring::Look look() const { return ring_.look(); }

 private:
  [[nodiscard]] std::size_t assemble(std::uint32_t slots);  // packets found; kLied
  [[nodiscard]] std::size_t afford(std::size_t packets, std::uint32_t slots);
  [[nodiscard]] std::size_t keep_only_kept(std::size_t packets, std::uint32_t slots);
  void take_up(std::size_t packets);
  // Of the packet that begins there the daemon before knew what came of it: only its answer is owed.
  [[nodiscard]] bool known(std::size_t slot) const { return inflight_ && inflight_->known(slot); }
  void copy_in(std::size_t packets);
  void commit(std::size_t packets, std::size_t slots, const Tell& tell);
  [[nodiscard]] bool publish(std::size_t packets);
  void deliver(netif::TxPacket& packet, std::size_t first_slot);
  [[nodiscard]] netif::TxFault change_multicast(const netif::MulticastChange& change);
  [[nodiscard]] netif::TxFault send(const netif::TxPacket& packet, std::size_t first_slot);
  [[nodiscard]] netif::TxFault describe_offload(const netif::TxPacket& packet, std::span<std::byte> head,
                                                net::VnetHeader& header);
  [[nodiscard]] ssize_t write_with_header(const net::VnetHeader& header, const iovec& frame);
  void answer(const netif::TxPacket& packet, std::size_t first_slot);
  void record(std::span<const iovec> frame);

  netif::TxBack ring_;
  DomId peer_;
  int tap_;
  BatchMemory& memory_;
  QueueCounters& counters_;
  MulticastFilter& multicast_;
  std::unique_ptr<TxInflight> inflight_;
  net::Capture* capture_ = nullptr;
  std::string_view fault_;
  QueueCredit credit_;
  bool short_of_credit_ = false;
  std::array<std::byte, net::kHeadBytes> head_;  // where a head had to be gathered from several slots
};

}  // namespace hush::dom0
