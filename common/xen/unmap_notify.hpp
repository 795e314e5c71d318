// The last word of a kernel for a page that two domains share.
#pragma once
#include <cstdint>
#include <optional>

#include "common/types.hpp"

namespace hush::xen {

// When a mapping or a share ends, even by kill -9, the kernel clears this byte of its page and then
// notifies the port. -1: not that one.
struct UnmapNotify {
  std::int32_t clear_byte = -1;
  std::optional<EvtchnPort> port;

  // As the C calls take it: UINT32_MAX is "none".
  [[nodiscard]] std::uint32_t offset_value() const { return static_cast<std::uint32_t>(clear_byte); }
  [[nodiscard]] std::uint32_t port_value() const { return port ? port->value : UINT32_MAX; }
};

}  // namespace hush::xen
