// That one process alone does something in a network namespace: an abstract name of unix(7), which needs no
// file, is the same whatever root a process has, and is free again when the process ends, however it does.
#pragma once
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hush::ipc {

// Held as long as the descriptor is open. name: 1 to 107 bytes. EADDRINUSE: another one has it.
Result<UniqueFd> take_name(const std::string& name);

}  // namespace hush::ipc
