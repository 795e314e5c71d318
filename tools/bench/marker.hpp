// The two instructions that begin and end a window of counting. They do nothing on any processor (a no-op
// with an address that is not looked at); the counter, a plugin of the emulator, knows them when they are
// executed.
#pragma once
#include <array>
#include <cstdint>

namespace hush::bench {

using Marker = std::array<std::uint8_t, 7>;  // nopl NUMBER(%rax), the numbers as good as any

inline constexpr Marker kBeginWindow{0x0f, 0x1f, 0x80, 0x31, 0x48, 0x53, 0x48};
inline constexpr Marker kEndWindow{0x0f, 0x1f, 0x80, 0x32, 0x48, 0x53, 0x48};

inline void begin_window() {
  asm volatile("nopl 0x48534831(%%rax)" ::: "memory");
}
inline void end_window() {
  asm volatile("nopl 0x48534832(%%rax)" ::: "memory");
}

}  // namespace hush::bench
