// H6, H7: producer indexes that cannot be: named by the very next pass, never taken for an empty ring.
#include <gtest/gtest.h>

#include "tests/support/back_rig.hpp"

namespace hush::test {
namespace {

constexpr auto kOrder = std::memory_order_seq_cst;
constexpr std::uint32_t kHonest = 3;

// How much further than the back end's consumer: none of these can be.
constexpr std::uint32_t kImpossible[] = {UINT32_MAX, netif::kSlots + 1, 0x80000000,
                                         0xdeadbeef, 0x7fffffff,        1000};

class TxIndex : public ::testing::TestWithParam<std::uint32_t> {};
TEST_P(TxIndex, IsNamedByTheNextPass) {
  BackRig rig;
  for (std::uint16_t i = 0; i < kHonest; ++i) rig.send({{rig.data, 0, 0, i, 60}});
  ASSERT_TRUE(rig.run_tx());
  rig.tx_page().req_prod.store(kHonest + GetParam(), kOrder);
  EXPECT_EQ(rig.tx.run([](bool) {}), dom0::Pass::fault);
  EXPECT_EQ(rig.tx.fault(), "guest_tx ring index impossible");
  EXPECT_EQ(rig.tx_answers().size(), kHonest) << "nothing is answered that was not asked";
}
INSTANTIATE_TEST_SUITE_P(Impossible, TxIndex, ::testing::ValuesIn(kImpossible));

class RxIndex : public ::testing::TestWithParam<std::uint32_t> {};
TEST_P(RxIndex, IsNamedByTheNextPass) {
  BackRig rig;
  rig.rx_page().req_prod.store(GetParam(), kOrder);
  rig.tap.give(pattern(100));
  EXPECT_EQ(rig.rx.run([](bool) {}), dom0::Pass::fault);
  EXPECT_EQ(rig.rx.fault(), "guest_rx ring index impossible");
}
INSTANTIATE_TEST_SUITE_P(Impossible, RxIndex, ::testing::ValuesIn(kImpossible));

// A ring full of requests that nobody wrote is possible, and each is answered.
TEST(TxIndexFull, IsARingOfEmptyPackets) {
  BackRig rig;
  rig.tx_page().req_prod.store(netif::kSlots, kOrder);
  EXPECT_TRUE(rig.run_tx());
  EXPECT_EQ(rig.tx_page().rsp_prod.load(kOrder), netif::kSlots);
  EXPECT_FALSE(rig.tap.take());
}

// Requests that were not answered count: a second ringful behind a first one cannot be.
TEST(TxIndexFull, CountsFromWhatIsUnanswered) {
  BackRig rig;
  auto back = netif::TxBack::attach(rig.tx_page(), {});
  rig.tx_page().req_prod.store(netif::kSlots, kOrder);
  ASSERT_EQ(back.pending(), netif::kSlots);
  for (int i = 0; i < 10; ++i) (void)back.take();
  rig.tx_page().req_prod.store(netif::kSlots + 10, kOrder);
  EXPECT_EQ(back.pending(), std::nullopt);
}

}  // namespace
}  // namespace hush::test
