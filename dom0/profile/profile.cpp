#include "dom0/profile/profile.hpp"

#include <algorithm>

#include "common/area/layout.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {
namespace {

std::string impossible_ring(const char* name, std::uint32_t bytes) {
  if (area::is_ring_length(bytes)) return "";
  return std::string(name) + " " + std::to_string(bytes) + " is no power of two from " +
         std::to_string(area::kMinRing) + " to " + std::to_string(area::kMaxRing);
}

}  // namespace

std::string impossibility(const RingUse& use) {
  std::string why = impossible_ring("guest_tx", use.guest_tx);
  if (why.empty()) why = impossible_ring("guest_rx", use.guest_rx);
  if (why.empty() && (use.queues < 1 || use.queues > xenstore::kMaxQueues))
    why = "queues " + std::to_string(use.queues) + " are not 1 to " + std::to_string(xenstore::kMaxQueues);
  return why;
}

Peak merged(const Peak& a, const Peak& b) {
  return {{std::max(a.use.guest_tx, b.use.guest_tx), std::max(a.use.guest_rx, b.use.guest_rx),
           std::max(a.use.queues, b.use.queues)},
          std::min(a.first, b.first),
          std::max(a.last, b.last),
          a.observations + b.observations};
}

PeakKey key_of(const Observation& seen) {
  return {seen.vif, std::chrono::floor<std::chrono::days>(seen.at).time_since_epoch().count()};
}

void add(Profile& profile, const PeakKey& key, const Peak& peak) {
  const auto [at, fresh] = profile.peaks.try_emplace(key, peak);
  if (!fresh) at->second = merged(at->second, peak);
  if (profile.peaks.size() <= kMaxPeaks) return;
  profile.peaks.erase(
      std::min_element(profile.peaks.begin(), profile.peaks.end(),
                       [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

std::optional<RecentUse> recent_use(const Profile& profile, WallTime now) {
  std::vector<std::uint32_t> tx, rx;
  std::uint32_t queues = 0;
  for (const auto& [key, peak] : profile.peaks) {
    if (now - peak.last > kMaxAge) continue;
    tx.push_back(peak.use.guest_tx);
    rx.push_back(peak.use.guest_rx);
    queues = std::max(queues, peak.use.queues);
  }
  if (tx.empty()) return std::nullopt;
  const std::size_t peaks = tx.size();
  return RecentUse{{p90(std::move(tx)), p90(std::move(rx)), queues}, peaks};
}

std::uint32_t p90(std::vector<std::uint32_t> values) {
  const std::size_t rank = (values.size() * 9 + 9) / 10;  // of nine tenths, rounded up; from 1
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank - 1), values.end());
  return values[rank - 1];
}

}  // namespace hush::dom0
