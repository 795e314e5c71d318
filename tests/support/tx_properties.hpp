// What must hold of any packet that assemble_tx makes from any slots: for the property tests and the fuzzer.
#pragma once
#include <cstring>
#include <span>

#include "common/netif/assemble.hpp"
#include "tests/support/netback_model.hpp"

namespace hush::test {

// Null when all is well, otherwise what is not.
inline const char* broken_tx_property(std::span<const netif::TxRequest> ring) {
  const netif::TxPacket packet = netif::assemble_tx(ring);
  const Judged netback = netback_judges(ring);
  if (netif::fatal(packet.fault) != (netback.verdict == Verdict::fatal))
    return "netback and we differ on fatal";
  if (netif::fatal(packet.fault)) return packet.fragment_count ? "a fatal packet has fragments" : nullptr;
  if ((packet.fault != netif::TxFault::none) != (netback.verdict == Verdict::drop))
    return "netback and we differ on drop";
  if (packet.slots != netback.slots) return "netback takes another number of slots";
  if (packet.slots == 0 || packet.slots > ring.size()) return "slots outside the span";
  if (packet.multicast.has_value() != (netback.verdict == Verdict::multicast))
    return "netback and we differ on a multicast request";
  if (packet.slots < 1 + packet.extras) return "more extras than slots";
  if (packet.fault != netif::TxFault::none)
    return packet.fragment_count ? "a refused packet has fragments" : nullptr;

  if (packet.multicast) {
    if (packet.fragment_count || packet.slots != 1 + packet.extras) return "a multicast request has data";
    return nullptr;
  }
  if (packet.slots != packet.extras + packet.fragment_count) return "slots are not extras and fragments";
  if (packet.fragment_count > netif::kMaxDataSlots) return "too many fragments";
  std::size_t sum = 0, after = 0;
  for (const netif::Fragment& fragment : packet.data()) {
    if (fragment.slot >= packet.slots) return "a fragment's slot is outside the packet";
    if (fragment.slot != after) return "fragments do not follow each other";
    after = fragment.slot == 0 ? 1U + packet.extras : fragment.slot + 1U;
    if (fragment.gref != ring[fragment.slot].gref) return "a fragment's gref is not its slot's";
    if (fragment.offset != ring[fragment.slot].offset) return "a fragment's offset is not its slot's";
    if (fragment.offset + fragment.length > 4096) return "a fragment leaves its page";
    sum += fragment.length;
  }
  if (sum != packet.length || packet.length != ring[0].size)
    return "the fragments are not the packet's length";
  if (packet.data()[0].length < netif::kMinFirstSlot) return "no Ethernet header in the first fragment";
  if (packet.gso && packet.gso->size == 0) return "a GSO size of zero";
  return nullptr;
}

}  // namespace hush::test
