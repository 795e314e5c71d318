// Why a peer's packet ring is not used any more (README.md, section 4).
#pragma once
#include <string_view>

namespace hush::area {

enum class Fault {
  none,
  produced_unaligned,
  produced_impossible,
  consumed_unaligned,
  consumed_impossible,
  record_beyond_produced,
  record_crosses_end,
  kind_unknown,
  frame_too_short,
  frame_too_long,
  skip_not_to_the_end,
  switch_unasked,
  switch_not_empty,
  record_behind_switch,
  own_index_moved,
};

constexpr std::string_view to_text(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "none";
    case Fault::produced_unaligned:
      return "produced index is no multiple of 16";
    case Fault::produced_impossible:
      return "produced index impossible";
    case Fault::consumed_unaligned:
      return "consumed index is no multiple of 16";
    case Fault::consumed_impossible:
      return "consumed index impossible";
    case Fault::record_beyond_produced:
      return "a record ends behind the produced index";
    case Fault::record_crosses_end:
      return "a record crosses the end of the ring";
    case Fault::kind_unknown:
      return "a record of an unknown kind";
    case Fault::frame_too_short:
      return "a frame is shorter than an Ethernet header";
    case Fault::frame_too_long:
      return "a frame is longer than was agreed";
    case Fault::skip_not_to_the_end:
      return "a skip does not end with the ring";
    case Fault::switch_unasked:
      return "a switch to no generation";
    case Fault::switch_not_empty:
      return "a switch that has a length";
    case Fault::record_behind_switch:
      return "a record behind a switch";
    case Fault::own_index_moved:
      return "the consumed index was moved by another than its owner";
  }
  return "?";
}

}  // namespace hush::area
