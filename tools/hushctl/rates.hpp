// What happened between two looks at the counters, a second. Pure.
#pragma once
#include <nlohmann/json.hpp>
#include <ostream>

namespace hush::hushctl {

// For each vif of both answers: {"vif", "guest_tx": {counter: rate}, "guest_rx": {...}, "drops": {"guest_tx":
// rate, "guest_rx": rate}}. before and after: "vifs" of two answers to stats; seconds: between them, above 0.
[[nodiscard]] nlohmann::json rates(const nlohmann::json& before, const nlohmann::json& after, double seconds);
void print_rates(std::ostream& out, const nlohmann::json& rates);

}  // namespace hush::hushctl
