// What one pass over a ring ended with.
#pragma once
#include <cstdint>

namespace hush::domu {

enum class Pass : std::uint8_t {
  idle,   // nothing more to do now
  moved,  // something moved, and more may be there
  fault,  // the queue must not run again; the reason is with whoever ran
};

}  // namespace hush::domu
