#pragma once
#include <cstdint>

namespace hush {

// What an application waits for.
struct Wanted {
  bool frames = true;      // a frame to peek() at
  std::uint32_t room = 0;  // reserve() of so many bytes, at most max_frame(); 0: not waited for
};

}  // namespace hush
