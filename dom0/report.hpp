// What the daemon says of its vifs, as JSON: the answers of the control socket. Pure reading.
#pragma once
#include <nlohmann/json.hpp>

#include "dom0/vif/vif.hpp"

namespace hush::dom0 {

// A line of `hushctl list`.
[[nodiscard]] nlohmann::json describe(const Vif& vif);
// All counters of one vif.
[[nodiscard]] nlohmann::json count(const Vif& vif);

}  // namespace hush::dom0
