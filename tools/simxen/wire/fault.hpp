// A rule in shared memory that makes a primitive fail, and the test that every client makes before it does
// the work.
#pragma once

#include <atomic>
#include <cstdint>

namespace hush::simxen {

enum class FaultMode : uint32_t { off, once, always, probability, after, every };

inline constexpr uint32_t kAnyDomain = ~0U;

struct FaultRule {
  std::atomic<FaultMode> mode;
  std::atomic<uint32_t> domid;
  std::atomic<uint32_t> parts_per_million;
  std::atomic<uint32_t> period;
  std::atomic<int64_t> left;  // calls that still succeed (after, every)
  std::atomic<uint64_t> hits;
};

inline constexpr unsigned kRulesPerPrimitive = 8;

struct FaultRules {
  std::atomic<uint32_t> armed;  // 0: nothing to look at, the usual case
  FaultRule rules[kRulesPerPrimitive];

  // True when this call of the primitive, made in domain domid, is to fail.
  bool fires(uint32_t domid);
  // Sets the rule for the domain; FaultMode::off removes it (for kAnyDomain: every rule). False when all are
  // taken.
  bool set(FaultMode mode, uint32_t domid, uint32_t parts_per_million, uint32_t number);

 private:
  void count_armed();
};

}  // namespace hush::simxen
