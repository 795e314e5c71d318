#include "common/netif/assemble.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace hush::netif {
namespace {

ExtraInfo as_extra(const TxRequest& slot) {
  ExtraInfo extra;
  std::memcpy(&extra, &slot, sizeof extra);
  return extra;
}

// Of several extras of one type the last one counts, and an addition before a removal, as in Linux's netback.
void note(const ExtraInfo& extra, TxPacket& packet) {
  if (extra.type == extra::kHash) {
    // A type that is not known is no lie: netback passes over it.
    packet.hashed = std::bit_cast<HashBody>(std::to_array(extra.body)).type <= hash_type::kIpv6Tcp;
  } else if (extra.type == extra::kMcastAdd || extra.type == extra::kMcastDel) {
    const bool add = extra.type == extra::kMcastAdd;
    if (add || !packet.multicast || !packet.multicast->add)
      packet.multicast = MulticastChange{add, std::to_array(extra.body)};
  }
}

// Reads the extra-info slots from `at` on. Returns the fault, moves `at` behind them.
TxFault read_extras(std::span<const TxRequest> slots, std::size_t& at, TxPacket& packet) {
  for (;;) {
    if (at >= slots.size()) return TxFault::extra_missing;
    const ExtraInfo extra = as_extra(slots[at++]);
    ++packet.extras;
    if (extra.type == 0 || extra.type >= extra::kMax) return TxFault::extra_type_unknown;
    if (extra.type == extra::kGso) {
      const auto gso = std::bit_cast<GsoBody>(std::to_array(extra.body));
      if (gso.size == 0) return TxFault::gso_size_zero;
      if (gso.type != extra::kGsoTcpV4 && gso.type != extra::kGsoTcpV6) return TxFault::gso_type_unknown;
      packet.gso = Gso{gso.size, gso.type == extra::kGsoTcpV6};
    }
    note(extra, packet);
    if (!(extra.flags & extra::kMore)) return TxFault::none;
  }
}

TxPacket fatal_packet(TxFault fault) {
  TxPacket packet;
  packet.fault = fault;
  return packet;
}

}  // namespace

TxPacket assemble_tx(std::span<const TxRequest> slots) {
  TxPacket packet;
  std::size_t at = 0;
  const TxRequest& first = slots[at++];
  packet.csum_blank = first.flags & tx_flag::kCsumBlank;
  packet.data_validated = first.flags & tx_flag::kDataValidated;

  if (first.flags & tx_flag::kExtraInfo)
    if (const TxFault fault = read_extras(slots, at, packet); fault != TxFault::none)
      return fatal_packet(fault);
  if (packet.multicast) {
    // The request ends here whatever its flags and size say; what follows is another one.
    packet.slots = static_cast<std::uint16_t>(at);
    return packet;
  }

  // The first slot states the whole packet's size; its own share is what the others leave.
  std::uint32_t others = 0;
  std::size_t data_slots = 1;
  packet.fragments[0] = {first.gref, first.offset, 0, 0};
  bool more = first.flags & tx_flag::kMoreData;
  while (more) {
    if (at >= slots.size()) return fatal_packet(TxFault::chain_beyond_ring);
    const TxRequest& slot = slots[at];
    if (++data_slots > kFatalDataSlots) return fatal_packet(TxFault::slots_excessive);
    if (slot.offset + std::size_t{slot.size} > kPageSize) return fatal_packet(TxFault::offset_beyond_page);
    if (data_slots <= kMaxDataSlots)
      packet.fragments[data_slots - 1] = {slot.gref, slot.offset, slot.size, static_cast<std::uint16_t>(at)};
    others += slot.size;
    more = slot.flags & tx_flag::kMoreData;
    ++at;
  }
  packet.slots = static_cast<std::uint16_t>(at);
  packet.length = first.size;

  if (data_slots > kMaxDataSlots)
    packet.fault = TxFault::too_many_slots;
  else if (others > first.size)
    packet.fault = TxFault::size_mismatch;
  else if (first.size - others < kMinFirstSlot)
    packet.fault = TxFault::first_slot_too_short;
  if (packet.fault != TxFault::none) return packet;

  const std::uint32_t own = first.size - others;
  if (first.offset + own > kPageSize) return fatal_packet(TxFault::offset_beyond_page);
  packet.fragments[0].length = static_cast<std::uint16_t>(own);
  packet.fragment_count = static_cast<std::uint16_t>(data_slots);
  return packet;
}

std::string_view name(TxFault f) {
  constexpr std::array<std::string_view, kTxFaults> kNames{"none",
                                                           "too_many_slots",
                                                           "first_slot_too_short",
                                                           "size_mismatch",
                                                           "no_csum_header",
                                                           "grant_copy_failed",
                                                           "tap_refused",
                                                           "multicast_list_full",
                                                           "chain_beyond_ring",
                                                           "slots_excessive",
                                                           "offset_beyond_page",
                                                           "extra_missing",
                                                           "extra_type_unknown",
                                                           "gso_size_zero",
                                                           "gso_type_unknown"};
  return kNames[static_cast<std::size_t>(f)];
}

}  // namespace hush::netif
