// From guest_tx slots to a packet, or to the slots that must be answered with an error.
//
// A packet is a run of slots: the first request, extra-info slots (if it says so), then further requests as
// long as the one before says more_data. The input is the peer's, copied once from the ring; nothing here
// reads shared memory, and nothing is trusted. Rules and limits: <xen/io/netif.h>, and what Linux's
// xen-netback enforces (reference: xenvif_count_requests, xenvif_get_extras in netback.c).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/netif/wire.hpp"

namespace hush::netif {

// Data slots of a packet that are accepted: the first and XEN_NETIF_NR_SLOTS_MIN (18) more, as Linux does.
inline constexpr std::size_t kMaxDataSlots = 19;
// Up to here a longer packet is dropped and answered; beyond, the guest is taken for malicious
// (fatal_skb_slots of Linux's netback: 20 after the first).
inline constexpr std::size_t kFatalDataSlots = 21;
// Smallest first slot: it must hold an Ethernet header.
inline constexpr std::size_t kMinFirstSlot = 14;

// Why a packet, or the whole vif, is refused. Names are what the log and the counters say.
enum class TxFault : std::uint8_t {
  none,
  // The packet is dropped, its slots answered with an error:
  too_many_slots,
  first_slot_too_short,
  size_mismatch,
  no_csum_header,
  grant_copy_failed,
  tap_refused,
  multicast_list_full,
  // The guest lied; its vif is cut off:
  chain_beyond_ring,
  slots_excessive,
  offset_beyond_page,
  extra_missing,
  extra_type_unknown,
  gso_size_zero,
  gso_type_unknown,
};
inline constexpr std::size_t kTxFaults = static_cast<std::size_t>(TxFault::gso_type_unknown) + 1;
[[nodiscard]] constexpr bool fatal(TxFault f) {
  return f >= TxFault::chain_beyond_ring;
}
[[nodiscard]] std::string_view name(TxFault f);

struct Gso {
  std::uint16_t size;  // payload bytes of a segment, never 0
  bool ipv6;
};

// A change of the guest's multicast list. It is no frame: its request is a dummy, and nothing is sent.
struct MulticastChange {
  bool add;  // otherwise: remove
  std::array<std::uint8_t, 6> address;
};

// One data slot of a packet. slot: its place in the span given to assemble_tx().
struct Fragment {
  std::uint32_t gref;
  std::uint16_t offset;
  std::uint16_t length;
  std::uint16_t slot;
};

struct TxPacket {
  TxFault fault = TxFault::none;  // not none: no fragment is to be used
  std::uint16_t slots = 0;        // how many slots this packet takes, extras included; 0 only when fatal
  std::uint16_t extras = 0;       // of them, extra-info slots: they follow the first
  std::uint16_t fragment_count = 0;
  std::uint32_t length = 0;  // bytes of the packet
  bool csum_blank = false;
  bool data_validated = false;
  bool hashed = false;  // the guest told a hash of a known type; a TAP has no place for it
  std::optional<Gso> gso;
  std::optional<MulticastChange> multicast;  // then there is no fragment
  Fragment fragments[kMaxDataSlots];

  [[nodiscard]] std::span<const Fragment> data() const { return {fragments, fragment_count}; }
};

// slots: every request that the guest has published and that is not yet used, at least one. A chain that
// does not end inside it is a lie (a frontend publishes whole packets).
[[nodiscard]] TxPacket assemble_tx(std::span<const TxRequest> slots);

}  // namespace hush::netif
