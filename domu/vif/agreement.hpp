// What the two ends of a vif use of what they can do. Pure.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/area/layout.hpp"
#include "common/net/tap.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::domu {

// What this end takes from any back end: a TAP finishes checksums and segments for whoever needs it.
[[nodiscard]] constexpr xenstore::Features offered_features() {
  return {.sg = true,
          .gso_tcpv4 = true,
          .gso_tcpv6 = true,
          .ipv4_csum = true,
          .ipv6_csum = true,
          .rx_notify = true,
          .split_event_channels = false};
}

// What the guest's kernel may leave undone in frames to this back end. A TAP has one switch for the checksums
// of both IP versions.
[[nodiscard]] constexpr net::Offloads tap_offloads(const xenstore::Features& backend) {
  const bool checksum = backend.ipv4_csum && backend.ipv6_csum;
  return {.checksum = checksum,
          .tso4 = checksum && backend.sg && backend.gso_tcpv4,
          .tso6 = checksum && backend.sg && backend.gso_tcpv6};
}

inline constexpr std::uint32_t kDefaultMtu = 1500;

// The MTU to set, of what the toolstack says; nullopt: leave it. A frame must fit a slot where the back end
// takes one slot a frame: 1500, as Linux's xen-netfront has it then.
[[nodiscard]] constexpr std::optional<std::uint32_t> tap_mtu(const xenstore::Features& backend,
                                                             std::optional<std::uint32_t> wanted) {
  if (backend.sg) return wanted;
  return std::min(wanted.value_or(kDefaultMtu), kDefaultMtu);
}

struct QueueCount {
  std::uint32_t queues = 1;
  std::string_view why_fewer = {};  // than are wanted; empty: as many as are wanted
};
// Queues to begin a connection with, of how many this end wants (1 to kMaxQueues) and what the back end says
// that it takes (xenstore::read_max_queues).
[[nodiscard]] constexpr QueueCount queues_to_make(std::uint32_t wanted,
                                                  std::optional<std::uint32_t> offered) {
  if (!offered) return {1, wanted == 1 ? "" : "the back end's multi-queue-max-queues is no number of queues"};
  if (*offered < wanted) return {*offered, "the back end takes no more"};
  return {wanted};
}

// What to try where areas of these sizes cannot be had for all queues: half, until offloads would have no
// room.
[[nodiscard]] constexpr std::optional<area::Sizes> smaller_areas(area::Sizes wanted) {
  const area::Sizes smaller{std::max(wanted.guest_tx / 2, area::kMinRingOfOffloads),
                            std::max(wanted.guest_rx / 2, area::kMinRingOfOffloads)};
  return smaller == wanted ? std::nullopt : std::optional(smaller);
}

}  // namespace hush::domu
