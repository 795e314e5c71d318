#include "xenstore/xenbus_state.hpp"

#include <array>

#include "xenstore/number.hpp"

namespace hush::xenstore {

std::string_view name(XenbusState state) {
  constexpr std::array<std::string_view, kXenbusStates> kNames{
      "Unknown", "Initialising", "InitWait",      "Initialised", "Connected",
      "Closing", "Closed",       "Reconfiguring", "Reconfigured"};
  return kNames[static_cast<std::size_t>(state)];
}

XenbusState parse_state(std::string_view text) {
  return static_cast<XenbusState>(parse_number<unsigned>(text, 1, kXenbusStates - 1).value_or(0));
}

std::string to_text(XenbusState state) {
  return std::to_string(static_cast<unsigned>(state));
}

}  // namespace hush::xenstore
