// Identifiers that do not mix: a domain id, a grant reference and an event-channel port are all small
// numbers, and handing one where another is meant must not compile.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>

namespace hush {

template <class Tag, class Rep>
struct Id {
  Rep value{};
  constexpr auto operator<=>(const Id&) const = default;
};

using DomId = Id<struct DomIdTag, std::uint16_t>;            // 0 .. kDomIdMax
using Gref = Id<struct GrefTag, std::uint32_t>;              // an entry of the granting domain's table
using EvtchnPort = Id<struct EvtchnPortTag, std::uint32_t>;  // never 0 when valid

// DOMID_FIRST_RESERVED of <xen/xen.h>: ids from here on name no ordinary domain.
inline constexpr std::uint16_t kDomIdMax = 0x7ff0 - 1;

// A page of a Xen ring or grant, whatever the machine's own page size is.
inline constexpr std::size_t kPageSize = 4096;

}  // namespace hush
