// A list of processors as taskset and the kernel write it: "0-3,5".
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace hush::event {

// In the order of the text, none twice. available: those that may be named. The error says which is wrong and
// what there is.
Result<std::vector<unsigned>> parse_cpu_list(std::string_view text, std::span<const unsigned> available);
// The processors that this process may run on, ascending.
[[nodiscard]] std::vector<unsigned> available_cpus();
// The inverse of the parser: "0-3,5" of an ascending list.
[[nodiscard]] std::string to_text(std::span<const unsigned> cpus);

}  // namespace hush::event
