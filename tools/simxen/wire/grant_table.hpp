// A domain's grant table. The server writes it, clients read it before each segment of a copy.
#pragma once

#include <atomic>
#include <cstdint>

#include "tools/simxen/wire/limits.hpp"

namespace hush::simxen {

// One word, so that a reader always sees one whole grant.
struct GrantEntry {
  static constexpr uint64_t kValid = 1ULL << 16;
  static constexpr uint64_t kReadOnly = 1ULL << 17;

  std::atomic<uint64_t> word;

  void grant(uint32_t to, bool writable) { word.store((to & 0xffffU) | kValid | (writable ? 0 : kReadOnly)); }
  void revoke() { word.store(0); }

  static bool permits(uint64_t word, uint32_t domid, bool write) {
    return (word & kValid) != 0 && (word & 0xffffU) == domid && !(write && (word & kReadOnly) != 0);
  }
};

struct GrantTable {
  std::atomic<uint32_t> dead;  // the domain is gone: whoever cached this must ask again
  GrantEntry entries[kGrants];
};

}  // namespace hush::simxen
