// Why a vif is cut off: what its back end did that no honest one does. Names are what the log says.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace hush::domu {

enum class Fault : std::uint8_t {
  none,
  tx_index_impossible,    // more responses than requests
  tx_id_out_of_range,     // a response to a page that does not exist
  tx_id_not_outstanding,  // a response to a request that was not made, or was answered before
  tx_null_unasked,        // an extra-info slot's response, with no such slot out
  rx_index_impossible,
  rx_id_mismatch,       // a response that lies in another request's slot
  rx_beyond_page,       // offset and length leave the buffer
  rx_chain_unfinished,  // a frame that goes on, and nothing follows
  rx_slots_excessive,   // a frame of more slots than any frame needs
  rx_extra_type_unknown,
  rx_gso_size_zero,
  rx_gso_type_unknown,
  area_impossible,  // an index or a record of an area (area::Fault says which)
  tap_lost,         // not the back end: somebody deleted the interface
};
inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::tap_lost) + 1;

[[nodiscard]] constexpr std::string_view name(Fault f) {
  constexpr std::array<std::string_view, kFaults> kNames{"none",
                                                         "tx_index_impossible",
                                                         "tx_id_out_of_range",
                                                         "tx_id_not_outstanding",
                                                         "tx_null_unasked",
                                                         "rx_index_impossible",
                                                         "rx_id_mismatch",
                                                         "rx_beyond_page",
                                                         "rx_chain_unfinished",
                                                         "rx_slots_excessive",
                                                         "rx_extra_type_unknown",
                                                         "rx_gso_size_zero",
                                                         "rx_gso_type_unknown",
                                                         "area_impossible",
                                                         "tap_lost"};
  return kNames[static_cast<std::size_t>(f)];
}

}  // namespace hush::domu
