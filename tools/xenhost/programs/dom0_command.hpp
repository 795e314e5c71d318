// Dom0's side: one command in one guest (exec_nodes.hpp).
#pragma once
#include <chrono>
#include <string>

#include "common/result.hpp"

namespace hush::xenhost {

struct Answer {
  int status = 0;      // the command's exit status
  std::string output;  // its stdout and stderr, the last 128 KiB of them
};

// Waits for it. An error: there is no such guest, it went, or gave no answer in `patience`.
Result<Answer> run_in_guest(const std::string& guest, const std::string& command,
                            std::chrono::seconds patience);

}  // namespace hush::xenhost
