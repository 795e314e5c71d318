// The page set that every client of a world maps: counters, faults, and who is copying right now.
#pragma once

#include <atomic>
#include <cstdint>

#include "tools/simxen/wire/fault.hpp"
#include "tools/simxen/wire/limits.hpp"
#include "tools/simxen/wire/primitive.hpp"

namespace hush::simxen {

inline constexpr uint32_t kWireVersion = 1;
inline constexpr unsigned kCopiers = 1024;

// A thread that makes grant copies. The server gives a revoked page away only after it saw every copier
// outside of a copy that could have begun before the revoke; a killed copier is cleared with its session. So
// a copy costs no lock and no round trip, and still never touches a page that has a new owner.
struct alignas(64) Copier {
  std::atomic<uint32_t> session;   // 0: free
  std::atomic<uint32_t> sequence;  // odd: inside a copy
};

struct Machine {
  uint32_t version;
  std::atomic<uint32_t> event_delay_us;
  FaultRules faults[kPrimitives];
  Copier copiers[kCopiers];
  std::atomic<uint64_t> counters[kDomids][kPrimitives];

  void count(uint32_t domid, Primitive primitive, uint64_t by = 1) {
    if (domid < kDomids)
      counters[domid][static_cast<size_t>(primitive)].fetch_add(by, std::memory_order_relaxed);
  }
  bool fails(uint32_t domid, Primitive primitive) {
    return faults[static_cast<size_t>(primitive)].fires(domid);
  }
};

}  // namespace hush::simxen
