// The primitives that simxen counts and can be told to fail.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hush::simxen {

enum class Primitive : uint32_t {
  map,
  map_page,
  unmap,
  unmap_page,
  copy,
  copy_segment,
  copy_byte,
  share,
  share_page,
  unshare,
  notify,
  pending,
  unmask,
  bind_unbound,
  bind_interdomain,
  bind_virq,
  unbind,
  hypercall,
  count
};

inline constexpr size_t kPrimitives = static_cast<size_t>(Primitive::count);

struct PrimitiveName {
  std::string_view name;
  bool can_fail;  // the others are sums over the calls (pages, bytes), not calls
};

inline constexpr std::array<PrimitiveName, kPrimitives> kPrimitiveNames{{
    {"map", true},
    {"map-page", false},
    {"unmap", true},
    {"unmap-page", false},
    {"copy", true},
    {"copy-segment", true},
    {"copy-byte", false},
    {"share", true},
    {"share-page", false},
    {"unshare", true},
    {"notify", true},
    {"pending", true},
    {"unmask", true},
    {"bind-unbound", true},
    {"bind-interdomain", true},
    {"bind-virq", true},
    {"unbind", true},
    {"hypercall", true},
}};

inline std::optional<Primitive> primitive_named(std::string_view name) {
  for (size_t i = 0; i < kPrimitives; ++i)
    if (kPrimitiveNames[i].name == name) return static_cast<Primitive>(i);
  return std::nullopt;
}

}  // namespace hush::simxen
