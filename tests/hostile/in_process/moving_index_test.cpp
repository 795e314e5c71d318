// H6: a producer index that moves while it is read: it is read once, so what was checked is what is used.
#include <gtest/gtest.h>

#include "common/netif/wire.hpp"
#include "tests/support/xen_ring.hpp"

namespace hush::test {
namespace {

// An index that is possible when it is looked at first, and from then on is not. It counts the looks.
struct MovingIndex {
  int* looks;
  [[nodiscard]] std::uint32_t load(std::memory_order) const { return ++*looks == 1 ? 1 : 0x1000; }
};
int looks = 0;

// A back end's side of a guest_tx ring, but for that index.
struct MovingSide : ring::BackSide<netif::TxRequest, netif::TxResponse> {
  static MovingIndex in_prod(Page&) { return {&looks}; }
};

TEST(MovingIndex, IsReadOnce) {
  RingPage bytes;
  const auto back = ring::Endpoint<MovingSide>::attach(shm::layout_at<netif::TxSring>(bytes.bytes), {});
  looks = 0;
  EXPECT_EQ(back.pending(), 1U);
  EXPECT_EQ(looks, 1);
  EXPECT_EQ(back.pending(), std::nullopt) << "it has moved by now";
  EXPECT_EQ(looks, 2);
}

}  // namespace
}  // namespace hush::test
