// What tools/bench's receiver says about numbered packets: lost, duplicated, reordered.
#include "tools/bench/programs/udp_sequence.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace hush::bench {
namespace {

TEST(UdpSequence, InOrder) {
  UdpSequence sequence;
  for (std::uint64_t i = 0; i < 200'000; ++i) sequence.see(i);
  EXPECT_EQ(sequence.received(), 200'000U);
  EXPECT_EQ(sequence.lost(200'000), 0U);
  EXPECT_EQ(sequence.duplicated(), 0U);
  EXPECT_EQ(sequence.reordered(), 0U);
}

TEST(UdpSequence, LostInTheMiddleAndAtTheEnd) {
  UdpSequence sequence;
  sequence.see(0);
  sequence.see(5);
  EXPECT_EQ(sequence.received(), 2U);
  EXPECT_EQ(sequence.lost(10), 8U);
}

TEST(UdpSequence, ALatePacketIsReorderedAndNotLost) {
  UdpSequence sequence;
  sequence.see(1);
  sequence.see(0);
  EXPECT_EQ(sequence.received(), 2U);
  EXPECT_EQ(sequence.reordered(), 1U);
  EXPECT_EQ(sequence.duplicated(), 0U);
}

TEST(UdpSequence, TheSameTwiceIsADuplicate) {
  UdpSequence sequence;
  for (std::uint64_t number : {0U, 1U, 1U, 0U}) sequence.see(number);
  EXPECT_EQ(sequence.received(), 2U);
  EXPECT_EQ(sequence.duplicated(), 2U);
  EXPECT_EQ(sequence.reordered(), 0U);
}

// A slot of the window is used again 65536 packets later: what it held must not make a new packet a
// duplicate.
TEST(UdpSequence, TheWindowForgets) {
  UdpSequence sequence;
  sequence.see(7);
  sequence.see((1 << 16) + 8);
  sequence.see((1 << 16) + 7);
  EXPECT_EQ(sequence.received(), 3U);
  EXPECT_EQ(sequence.duplicated(), 0U);
  EXPECT_EQ(sequence.reordered(), 1U);
}

TEST(UdpSequence, TooLateToTellStaysLost) {
  UdpSequence sequence;
  sequence.see(1 << 17);
  sequence.see(0);
  EXPECT_EQ(sequence.received(), 1U);
  EXPECT_EQ(sequence.reordered(), 1U);
}

TEST(UdpSequence, AnAbsurdNumberEnds) {
  UdpSequence sequence;
  sequence.see(std::numeric_limits<std::uint64_t>::max() - 1);
  EXPECT_EQ(sequence.received(), 1U);
}

}  // namespace
}  // namespace hush::bench
