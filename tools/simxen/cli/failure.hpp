// How a command ends when it cannot do its work: one line and an exit status.
#pragma once

#include <stdexcept>
#include <string>

namespace hush::simxen {

inline constexpr int kFailed = 1;
inline constexpr int kBadArguments = 2;

struct Failure : std::runtime_error {
  explicit Failure(const std::string& line, int status = kFailed)
      : std::runtime_error(line), exit_status(status) {}
  int exit_status;
};

}  // namespace hush::simxen
