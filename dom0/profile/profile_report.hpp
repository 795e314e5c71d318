// Profiles as JSON, for the control socket; and what an admin pins, from its words. Pure.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "common/result.hpp"
#include "dom0/profile/profile.hpp"

namespace hush::dom0 {

// A line of `hushctl profile list`.
[[nodiscard]] nlohmann::json describe(const std::string& workload, const Profile& profile, WallTime now);
// That, and each peak.
[[nodiscard]] nlohmann::json describe_fully(const std::string& workload, const Profile& profile,
                                            WallTime now);

// From KiB of each ring and a number of queues (empty: nothing is said of them), as an admin wrote them.
// EINVAL: they make no sense.
Result<Pin> read_pin(const std::string& tx, const std::string& rx, const std::string& queues, WallTime now);

}  // namespace hush::dom0
