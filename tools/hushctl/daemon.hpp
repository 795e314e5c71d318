// The client's end of a daemon's control socket (common/telemetry/control_server.hpp).
#pragma once
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "common/result.hpp"

namespace hush::hushctl {

// Sends one request and waits for its answer, no longer than patience: ETIMEDOUT. An answer that holds an
// error becomes one.
Result<nlohmann::json> ask(const std::string& socket, const nlohmann::json& request,
                           std::chrono::milliseconds patience);

// Exit codes of hushctl: 0 done, 1 failed, 2 wrong usage, 3 no such vif or daemon, 4 not permitted, 5 no
// answer in time, 6 doctor found something.
inline constexpr int kUsage = 2, kNotFound = 3, kNotPermitted = 4, kTimedOut = 5, kProblems = 6;
[[nodiscard]] int exit_code(const Error& failure);

}  // namespace hush::hushctl
