// The guest's side: runs what Dom0 asks for (exec_nodes.hpp), several at once.
#pragma once
#include "common/result.hpp"

namespace hush::xenhost {

// Returns only with an error. Single-threaded; children that a command leaves behind live on.
[[nodiscard]] Error serve_commands();

}  // namespace hush::xenhost
