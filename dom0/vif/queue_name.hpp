// What lies outside the daemon for a queue of a vif, a file or a descriptor, has this name: "vif1.0-q2".
#pragma once
#include <string>
#include <string_view>

namespace hush::dom0 {

inline constexpr std::string_view kQueueMark = "-q";

inline std::string queue_name(const std::string& vif, std::size_t queue) {
  return vif + std::string(kQueueMark) + std::to_string(queue);
}

// The vif's part of such a name; empty: it is none.
inline std::string_view vif_of_queue(std::string_view name) {
  const std::size_t split = name.rfind(kQueueMark);
  return split != name.npos && name.starts_with("vif") ? name.substr(0, split) : std::string_view();
}

}  // namespace hush::dom0
