// What Linux's xen-netback does with the same slots: the oracle for assemble_tx.
//
// Written from the rules of xenvif_tx_build_gops, xenvif_get_extras and xenvif_count_requests, in their order
// and with their 16-bit arithmetic, not from our code. One difference is wanted and modelled as ours: each
// GSO extra is judged at once (netback looks at the last one, after the packet's size).
#pragma once
#include <cstring>
#include <span>

#include "common/netif/wire.hpp"

namespace hush::test {

enum class Verdict { accept, multicast, drop, fatal };

struct Judged {
  Verdict verdict;
  std::size_t slots = 0;  // taken from the ring; of no meaning when fatal
};

inline Judged netback_judges(std::span<const netif::TxRequest> ring) {
  constexpr int kLegacySlotsMax = 18, kFatalSkbSlots = 20, kPage = 4096, kEthernetHeader = 14;
  std::size_t cons = 0;
  netif::TxRequest first = ring[cons++];
  std::size_t work_to_do = ring.size() - 1;

  if (first.flags & netif::tx_flag::kExtraInfo) {
    netif::ExtraInfo info;
    bool multicast = false;
    do {
      if (work_to_do-- == 0) return {Verdict::fatal};  // "Missing extra info"
      std::memcpy(&info, &ring[cons++], sizeof info);
      if (info.type == 0 || info.type >= netif::extra::kMax) return {Verdict::fatal};  // "Invalid extra type"
      if (info.type == netif::extra::kGso) {
        std::uint16_t segment;
        std::memcpy(&segment, info.body, sizeof segment);
        if (segment == 0) return {Verdict::fatal};  // "GSO size must not be zero."
        if (info.body[2] != netif::extra::kGsoTcpV4 && info.body[2] != netif::extra::kGsoTcpV6)
          return {Verdict::fatal};  // "Bad GSO type"
      }
      multicast = multicast || info.type == netif::extra::kMcastAdd || info.type == netif::extra::kMcastDel;
    } while (info.flags & netif::extra::kMore);
    if (multicast) return {Verdict::multicast, cons};  // before any look at flags and sizes
  }

  int slots = 0;
  bool drop = false;
  bool more = first.flags & netif::tx_flag::kMoreData;
  while (more) {
    if (static_cast<std::size_t>(slots) >= work_to_do)
      return {Verdict::fatal};                             // "Asked for %d slots but exceeds"
    if (slots >= kFatalSkbSlots) return {Verdict::fatal};  // "Malicious frontend"
    if (slots >= kLegacySlotsMax) drop = true;
    const netif::TxRequest next = ring[cons + static_cast<std::size_t>(slots)];
    if (next.size > first.size) drop = true;  // a frame of 64 KiB or more
    first.size = static_cast<std::uint16_t>(first.size - next.size);
    ++slots;
    if (next.offset + next.size > kPage) return {Verdict::fatal};  // "Cross page boundary"
    more = next.flags & netif::tx_flag::kMoreData;
  }
  cons += static_cast<std::size_t>(slots);
  if (drop || first.size < kEthernetHeader) return {Verdict::drop, cons};
  if (first.offset + first.size > kPage) return {Verdict::fatal};  // "txreq.offset: %u, size: %u, end"
  return {Verdict::accept, cons};
}

}  // namespace hush::test
