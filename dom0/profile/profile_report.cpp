#include "dom0/profile/profile_report.hpp"

#include <spdlog/fmt/chrono.h>

#include <algorithm>
#include <bit>

#include "common/area/layout.hpp"
#include "xenstore/number.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {
namespace {

using nlohmann::json;

std::string written(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

json use_json(const RingUse& use) {
  return {{"guest_tx", use.guest_tx},
          {"guest_rx", use.guest_rx},
          {"queues", use.queues == 0 ? json() : json(use.queues)}};
}

Result<std::uint32_t> read_ring(const char* name, const std::string& text) {
  constexpr std::uint32_t kKib = 1024;
  const auto kib = xenstore::parse_number<std::uint32_t>(text, area::kMinRing / kKib, area::kMaxRing / kKib);
  if (!kib || !std::has_single_bit(*kib))
    return error(std::string(name) + "='" + text + "' is no ring: write KiB, a power of two from " +
                     std::to_string(area::kMinRing / kKib) + " to " + std::to_string(area::kMaxRing / kKib),
                 EINVAL);
  return *kib * kKib;
}

}  // namespace

json describe(const std::string& workload, const Profile& profile, WallTime now) {
  json line{{"workload", workload},          {"pinned", nullptr}, {"recent", nullptr},
            {"peaks", profile.peaks.size()}, {"observations", 0}, {"first_seen", nullptr},
            {"last_seen", nullptr}};
  if (profile.pin) {
    line["pinned"] = use_json(profile.pin->use);
    line["pinned"]["at"] = written(profile.pin->at);
  }
  if (const auto recent = recent_use(profile, now)) {
    line["recent"] = use_json(recent->use);
    line["recent"]["peaks"] = recent->peaks;
  }
  if (profile.peaks.empty()) return line;
  Peak all = profile.peaks.begin()->second;
  for (auto at = std::next(profile.peaks.begin()); at != profile.peaks.end(); ++at)
    all = merged(all, at->second);
  line["observations"] = all.observations;
  line["first_seen"] = written(all.first);
  line["last_seen"] = written(all.last);
  return line;
}

json describe_fully(const std::string& workload, const Profile& profile, WallTime now) {
  json all = describe(workload, profile, now);
  all["seen"] = json::array();
  for (const auto& [key, peak] : profile.peaks) {
    json line = use_json(peak.use);
    line["vif"] = key.vif;
    line["observations"] = peak.observations;
    line["first_seen"] = written(peak.first);
    line["last_seen"] = written(peak.last);
    line["counts"] = now - peak.last <= kMaxAge;
    all["seen"].push_back(std::move(line));
  }
  return all;
}

Result<Pin> read_pin(const std::string& tx, const std::string& rx, const std::string& queues, WallTime now) {
  const auto guest_tx = read_ring("tx", tx), guest_rx = read_ring("rx", rx);
  if (!guest_tx) return guest_tx.error();
  if (!guest_rx) return guest_rx.error();
  const auto count =
      queues.empty() ? 0 : xenstore::parse_number<std::uint32_t>(queues, 1, xenstore::kMaxQueues);
  if (!count)
    return error("queues='" + queues + "' is not a number from 1 to " + std::to_string(xenstore::kMaxQueues),
                 EINVAL);
  return Pin{{*guest_tx, *guest_rx, *count}, now};
}

}  // namespace hush::dom0
