// A counter that one thread writes and any thread reads.
#pragma once
#include <atomic>
#include <cstdint>

namespace hush::telemetry {

class Counter {
 public:
  // Only the owning thread: a load and a store, no locked instruction on the packet path.
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace hush::telemetry
