#include "dom0/profile/first_size.hpp"

#include <algorithm>
#include <bit>

#include "common/area/layout.hpp"

namespace hush::dom0 {
namespace {

struct Choice {
  std::uint32_t bytes = 0;
  std::string source;
};

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// Of one direction: what admins, profile, neighbours and default say, the strongest first.
Choice choose(const SizeSources& from, const std::optional<RecentUse>& recent,
              std::optional<std::uint32_t> set, const char* setting, std::uint32_t RingUse::*ring) {
  if (set) return {*set, std::string("the setting ") + setting};
  if (from.workload.empty()) return {kDefaultRing, "the default: the vif has no workload"};
  if (from.profile && from.profile->pin)
    return {from.profile->pin->use.*ring, "the profile of " + from.workload + ": pinned"};
  if (recent)
    return {recent->use.*ring,
            "the profile of " + from.workload + ": 90th percentile of " + counted(recent->peaks, "peak")};
  if (!from.running.empty()) {
    std::vector<std::uint32_t> now;
    for (const RingUse& use : from.running) now.push_back(use.*ring);
    return {p90(std::move(now)), counted(from.running.size(), "running vif") + " of " + from.workload};
  }
  return {kDefaultRing, "the default: nothing is known of " + from.workload};
}

std::uint32_t within(std::uint32_t bytes, const SizeLimits& limits) {
  return std::bit_ceil(std::clamp(bytes, limits.least_ring, limits.most_ring));
}

// Halves the longer ring until the area has no more pages than are allowed. False: it cannot.
bool fit(FirstSize& size, const SizeLimits& limits) {
  while (area::header_of(1, size.guest_tx, size.guest_rx).pages > limits.most_pages) {
    std::uint32_t& longer = size.guest_tx >= size.guest_rx ? size.guest_tx : size.guest_rx;
    if (longer == limits.least_ring) return false;
    longer /= 2;
  }
  return true;
}

std::uint32_t queues_of(const SizeSources& from, const std::optional<RecentUse>& recent, std::uint32_t most) {
  if (from.workload.empty() || !from.profile) return most;
  if (from.profile->pin)
    return from.profile->pin->use.queues == 0 ? most : std::min(from.profile->pin->use.queues, most);
  return recent ? std::min(2 * recent->use.queues, most) : most;
}

}  // namespace

FirstSize first_size(const SizeSources& sources, const SizeLimits& limits, WallTime now) {
  const bool known = !sources.workload.empty() && sources.profile;
  const auto recent = known ? recent_use(*sources.profile, now) : std::nullopt;
  const Choice tx = choose(sources, recent, sources.set_tx, "area-tx", &RingUse::guest_tx);
  const Choice rx = choose(sources, recent, sources.set_rx, "area-rx", &RingUse::guest_rx);
  FirstSize size{within(tx.bytes, limits), within(rx.bytes, limits),
                 queues_of(sources, recent, limits.max_queues),
                 tx.source == rx.source ? tx.source : "guest_tx: " + tx.source + "; guest_rx: " + rx.source};
  if (!fit(size, limits)) {
    size.guest_tx = size.guest_rx = 0;
    size.source += "; no area is small enough for area-limit";
  } else if (size.guest_tx < tx.bytes || size.guest_rx < rx.bytes) {
    size.source += "; cut to what is allowed";
  }
  return size;
}

}  // namespace hush::dom0
