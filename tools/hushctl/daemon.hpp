// The client's end of a daemon's control socket (common/telemetry/control_server.hpp).
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "common/result.hpp"

namespace hush::hushctl {

// Sends one request and waits for its answer. An answer that holds an error becomes one.
Result<nlohmann::json> ask(const std::string& socket, const nlohmann::json& request);

}  // namespace hush::hushctl
