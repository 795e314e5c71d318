// Xen's public headers that need the standard types before them and are C.
#pragma once

// clang-format off: the order matters
#include <cerrno>
#include <cstdint>

extern "C" {
#include <xen/io/xs_wire.h>
#include <xen/xen.h>
}
// clang-format on
