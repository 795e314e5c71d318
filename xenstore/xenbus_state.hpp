// The states of a split device's two ends, <xen/io/xenbus.h>.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hush::xenstore {

enum class XenbusState : std::uint8_t {
  unknown,  // the node is gone, or says no state
  initialising,
  init_wait,
  initialised,
  connected,
  closing,
  closed,
  reconfiguring,
  reconfigured,
};
inline constexpr std::size_t kXenbusStates = 9;

[[nodiscard]] std::string_view name(XenbusState state);
// What a state node holds; unknown for anything but 1 to 8.
[[nodiscard]] XenbusState parse_state(std::string_view text);
[[nodiscard]] std::string to_text(XenbusState state);

}  // namespace hush::xenstore
