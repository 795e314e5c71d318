// What a queue counts, over all connections of its vif. Written by its data thread, read by the control
// thread.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "common/poll/counters.hpp"
#include "common/relay/counters.hpp"
#include "common/telemetry/counter.hpp"

namespace hush::domu {

using telemetry::Counter;

// Why a frame of the guest was not sent.
enum class TxDrop : std::uint8_t {
  too_long,   // more than the ring can say (65535), or than a slot where the back end takes one slot a frame
  too_short,  // no Ethernet header
  gso_unknown,      // a segmentation that the protocol has no word for
  bad_offload,      // the kernel's offload header points outside the frame
  backend_refused,  // slots that the back end answered with an error
};
inline constexpr std::size_t kTxDrops = 5;
[[nodiscard]] constexpr std::string_view name(TxDrop d) {
  constexpr std::array<std::string_view, kTxDrops> kNames{"too_long", "too_short", "gso_unknown",
                                                          "bad_offload", "backend_refused"};
  return kNames[static_cast<std::size_t>(d)];
}

// Why a frame for the guest was not delivered.
enum class RxDrop : std::uint8_t {
  backend_error,   // the back end says that it could not fill a slot
  too_long,        // longer than any frame
  too_short,       // no Ethernet header
  no_csum_header,  // to be checksummed or segmented, but no TCP or UDP header is there
  gso_mismatch,    // segmentation of a kind that the headers contradict
  tap_refused,     // the interface is down, or the kernel refuses the frame
};
inline constexpr std::size_t kRxDrops = 6;
[[nodiscard]] constexpr std::string_view name(RxDrop d) {
  constexpr std::array<std::string_view, kRxDrops> kNames{"backend_error",  "too_long",     "too_short",
                                                          "no_csum_header", "gso_mismatch", "tap_refused"};
  return kNames[static_cast<std::size_t>(d)];
}

struct DirectionCounters {
  Counter packets;         // delivered whole
  Counter bytes;           // of them
  Counter slots;           // ring slots they took
  Counter batches;         // publishes
  Counter notifies_sent;   // events to the back end
  Counter notifies_saved;  // publishes that needed no event
  Counter events;          // events from the back end
};

struct QueueCounters {
  DirectionCounters guest_tx;
  DirectionCounters guest_rx;
  relay::EndCounters area;  // of the area path: out is guest_tx, in is guest_rx
  poll::Counters polls;     // of the netif path; the area's are in area
  std::array<Counter, kTxDrops> tx_drops;
  std::array<Counter, kRxDrops> rx_drops;
  Counter tx_waits;      // times frames waited in the TAP for the back end to answer
  Counter tx_checksums;  // checksums completed here, since the protocol has no word for where they lie
  Counter rx_gso_checksum_fixup;  // GSO frames that came without csum_blank
};

}  // namespace hush::domu
