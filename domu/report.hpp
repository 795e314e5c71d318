// What the daemon says of its vifs, as JSON. Pure reading.
#pragma once
#include <nlohmann/json.hpp>

#include "domu/vif/vif.hpp"

namespace hush::domu {

// State and all counters of one vif.
[[nodiscard]] nlohmann::json describe(const Vif& vif);

}  // namespace hush::domu
