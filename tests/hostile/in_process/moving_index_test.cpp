// H6: a producer index that moves while it is read: it is read once, so what was checked is what is used.
#include <gtest/gtest.h>

#include <thread>

#include "common/netif/wire.hpp"
#include "tests/support/xen_ring.hpp"

namespace hush::test {
namespace {

TEST(MovingIndex, IsReadOnce) {
  constexpr int kOfEach = 20000;
  RingPage bytes;
  auto& page = shm::layout_at<netif::TxSring>(bytes.bytes);
  const auto back = netif::TxBack::attach(page, {});
  std::jthread mover([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      page.req_prod.store(1, std::memory_order_seq_cst);
      page.req_prod.store(0x1000, std::memory_order_seq_cst);
    }
  });
  // Until both were seen often.
  for (int possible = 0, impossible = 0; possible < kOfEach || impossible < kOfEach;) {
    const auto count = back.pending();
    ++(count ? possible : impossible);
    ASSERT_LE(count.value_or(0), netif::kSlots);
  }
}

}  // namespace
}  // namespace hush::test
