#include "tools/simxen/wire/fault.hpp"

#include <random>

namespace hush::simxen {
namespace {

bool by_chance(uint32_t parts_per_million) {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_int_distribution<uint32_t>(0, 999'999)(random) < parts_per_million;
}

bool rule_fires(FaultRule& rule) {
  switch (rule.mode.load(std::memory_order_acquire)) {
    case FaultMode::off:
      return false;
    case FaultMode::once: {
      // Two processes may come at the same time: only one of them has the failure.
      FaultMode expected = FaultMode::once;
      return rule.mode.compare_exchange_strong(expected, FaultMode::off);
    }
    case FaultMode::always:
      return true;
    case FaultMode::probability:
      return by_chance(rule.parts_per_million.load(std::memory_order_relaxed));
    case FaultMode::after:
      return rule.left.fetch_sub(1) <= 0;
    case FaultMode::every: {
      const uint32_t period = rule.period.load(std::memory_order_relaxed);
      return period != 0 && -rule.left.fetch_sub(1) % static_cast<int64_t>(period) == 0;
    }
  }
  return false;
}

}  // namespace

bool FaultRules::fires(uint32_t domid) {
  if (armed.load(std::memory_order_relaxed) == 0) return false;
  bool fired = false;
  for (FaultRule& rule : rules) {
    const uint32_t wanted = rule.domid.load(std::memory_order_relaxed);
    if (wanted != kAnyDomain && wanted != domid) continue;
    if (!rule_fires(rule)) continue;
    rule.hits.fetch_add(1, std::memory_order_relaxed);
    fired = true;
  }
  return fired;
}

void FaultRules::count_armed() {
  uint32_t used = 0;
  for (const FaultRule& rule : rules) used += rule.mode.load() != FaultMode::off ? 1 : 0;
  armed.store(used);
}

bool FaultRules::set(FaultMode mode, uint32_t domid, uint32_t parts_per_million, uint32_t number) {
  if (mode == FaultMode::off) {
    for (FaultRule& rule : rules)
      if (domid == kAnyDomain || rule.domid.load() == domid) rule.mode.store(FaultMode::off);
    count_armed();
    return true;
  }
  FaultRule* chosen = nullptr;
  for (FaultRule& rule : rules) {
    const bool used = rule.mode.load() != FaultMode::off;
    if (used && rule.domid.load() == domid) {
      chosen = &rule;
      break;
    }
    if (!used && chosen == nullptr) chosen = &rule;
  }
  if (chosen == nullptr) return false;
  chosen->mode.store(FaultMode::off);
  chosen->domid.store(domid);
  chosen->parts_per_million.store(parts_per_million);
  chosen->period.store(number);
  // "every N" counts from 1, so that the N-th call is the first to fail.
  chosen->left.store(mode == FaultMode::every ? -1 : static_cast<int64_t>(number));
  chosen->hits.store(0);
  chosen->mode.store(mode, std::memory_order_release);
  count_armed();
  return true;
}

}  // namespace hush::simxen
