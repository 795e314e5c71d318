// What the daemon says of its vifs, as JSON: the answers of the control socket. Nothing is changed here.
#pragma once
#include <nlohmann/json.hpp>

#include "dom0/vif/vif.hpp"
#include "xenstore/vif_facts.hpp"

namespace hush::dom0 {

// A line of `hushctl list`.
[[nodiscard]] nlohmann::json describe(const Vif& vif, const xenstore::VifFacts& facts);
// That, and all that `hushctl show` has besides: its queues are looked at on their data threads.
[[nodiscard]] nlohmann::json describe_fully(const Vif& vif, const xenstore::VifFacts& facts,
                                            const AreaGovernor& governor);
// A line of `hushctl areas`.
[[nodiscard]] nlohmann::json describe(const AreaGovernor::Look& area);
// The queues whose guest has taken no frames for a second or longer.
[[nodiscard]] std::vector<nlohmann::json> stalls_of(const Vif& vif);
// All counters of one vif.
[[nodiscard]] nlohmann::json count(const Vif& vif);

}  // namespace hush::dom0
