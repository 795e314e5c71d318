// For tests that race two threads against each other, round after round.
#pragma once
#include <atomic>
#include <thread>

namespace hush::test {

// Two threads meet here. Spins, so that both leave at nearly the same moment; gives way where cores are
// short.
class Meeting {
 public:
  void wait() {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == 1) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (unsigned spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
      if (spins > 2000) std::this_thread::yield();
  }

 private:
  std::atomic<unsigned> arrived_{0};
  std::atomic<unsigned> round_{0};
};

}  // namespace hush::test
