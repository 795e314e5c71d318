// What a queue counts. Written by its data thread, read by the control thread.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/netif/assemble.hpp"
#include "common/poll/counters.hpp"
#include "common/relay/counters.hpp"
#include "common/telemetry/counter.hpp"

namespace hush::dom0 {

using telemetry::Counter;

// Why a frame towards the guest was dropped.
enum class RxDrop : std::uint8_t {
  needs_scatter_gather,  // longer than a slot, and the front end takes one slot a frame
  tagged_segment,        // a segmentation with a VLAN tag: stock front ends refuse it
  gso_not_agreed,        // segmented by the kernel before the front end's offer was known
  grant_copy_failed,     // the guest's grant was bad
  multicast_not_wanted,  // the guest asked for the groups that it lists, and this is none of them
  backlog_full,          // steered to a queue for which as much waits as may
  waited_too_long,       // the guest posted no slots for it (rx-drain-timeout)
};
inline constexpr std::size_t kRxDrops = 7;
[[nodiscard]] constexpr std::string_view name(RxDrop d) {
  constexpr std::array<std::string_view, kRxDrops> kNames{
      "needs_scatter_gather", "tagged_segment", "gso_not_agreed", "grant_copy_failed",
      "multicast_not_wanted", "backlog_full",   "waited_too_long"};
  return kNames[static_cast<std::size_t>(d)];
}

// Batches by size: of 1 packet, 2 to 3, 4 to 7, ... and of 256 (a ringful of single slots).
inline constexpr std::size_t kBatchSizes = 9;

struct DirectionCounters {
  Counter packets;         // delivered whole
  Counter bytes;           // of them
  Counter slots;           // ring slots they took
  Counter batches;         // passes that moved at least one packet
  Counter copy_calls;      // grant-copy hypervisor calls
  Counter copies;          // grant-copy segments
  Counter notifies_sent;   // events to the guest
  Counter notifies_saved;  // publishes that needed no event
  Counter events;          // events from the guest
  Counter storms;          // times that its events were left waiting, since they came for nothing
  std::array<Counter, kBatchSizes> batch_sizes;

  void count_batch(std::size_t of) {
    batches.add();
    batch_sizes[std::min<std::size_t>(std::bit_width(of | 1) - 1, kBatchSizes - 1)].add();
  }
};

struct QueueCounters {
  DirectionCounters guest_tx;
  DirectionCounters guest_rx;
  std::array<Counter, netif::kTxFaults> tx_faults;
  std::array<Counter, kRxDrops> rx_drops;
  relay::EndCounters area;  // of the area path: in is guest_tx, out is guest_rx
  poll::Counters polls;     // of the netif path; the area's are in area
  Counter tx_hashes;        // packets that came with a hash of the guest's; the TAP has no place for it
  Counter tx_throttled;     // times that the guest's packets waited for its rate
  // Found at a take-over in the file of the daemon before:
  Counter inflight_taken;         // requests that it took and did not answer
  Counter inflight_sent;          // of them, first slots of packets that were sent: only answered here
  Counter inflight_answered;      // requests whose answers were out, which its file did not know yet
  Counter inflight_missing;       // times that there was no file
  Counter inflight_refused;       // times that it was not believed
  Counter rx_stalls;              // times that the guest stalled
  Counter rx_waits;               // times a frame waited for the guest to post slots
  Counter rx_gso_checksum_fixup;  // as the kernel netback's ethtool counter: GSO without csum_blank
};

}  // namespace hush::dom0
