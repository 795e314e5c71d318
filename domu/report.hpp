// What the daemon says of its vifs, as JSON. Pure reading.
#pragma once
#include <nlohmann/json.hpp>

#include "domu/vif/vif.hpp"

namespace hush::domu {

// State and all counters of one vif: of all its queues together, and in "queues" of each that it ever had;
// those in use now have a "thread".
[[nodiscard]] nlohmann::json describe(const Vif& vif);

}  // namespace hush::domu
