// Which slots make a packet, which are answered with an error, and which cost a guest its vif?
#include "common/netif/assemble.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/tx_properties.hpp"

namespace hush::netif {
namespace {

using Slots = std::vector<TxRequest>;

// A copy in memory that ends where the slots end: a read behind it is the address sanitizer's.
TxPacket assemble(const Slots& slots) {
  const std::unique_ptr<TxRequest[]> exact(new TxRequest[slots.size()]);
  std::copy(slots.begin(), slots.end(), exact.get());
  return assemble_tx({exact.get(), slots.size()});
}

TxRequest as_slot(const ExtraInfo& extra) {
  TxRequest slot{};
  std::memcpy(&slot, &extra, sizeof extra);
  return slot;
}
TxRequest gso_slot(std::uint16_t size, std::uint8_t type, std::uint8_t flags = 0) {
  ExtraInfo extra{extra::kGso, flags, {}};
  const GsoBody body{size, type, 0, 0};
  std::memcpy(extra.body, &body, sizeof body);
  return as_slot(extra);
}
TxRequest mcast_slot(std::uint8_t type, std::uint8_t flags = 0) {
  return as_slot({type, flags, {0x33, 0x33, 0, 0, 0, 0xfb}});
}

// A good packet of `data_slots` slots, each of `each` bytes from offset 40, the first of first_bytes.
Slots chain(std::size_t data_slots, std::uint16_t each = 100, std::uint16_t first_bytes = 60) {
  Slots slots;
  for (std::size_t i = 0; i < data_slots; ++i)
    slots.push_back({static_cast<std::uint32_t>(1000 + i), 40,
                     i + 1 < data_slots ? tx_flag::kMoreData : std::uint16_t{0},
                     static_cast<std::uint16_t>(i + 5), each});
  slots[0].size = static_cast<std::uint16_t>(first_bytes + each * (data_slots - 1));
  return slots;
}

void expect_refused(const TxPacket& packet, TxFault fault, std::size_t slots) {
  EXPECT_EQ(name(packet.fault), name(fault));
  EXPECT_FALSE(fatal(packet.fault));
  EXPECT_EQ(packet.slots, slots) << "each slot of a refused packet is owed an answer";
  EXPECT_TRUE(packet.data().empty());
}
void expect_fatal(const TxPacket& packet, TxFault fault) {
  EXPECT_EQ(name(packet.fault), name(fault));
  EXPECT_TRUE(fatal(packet.fault));
  EXPECT_TRUE(packet.data().empty());
}

// ---------------------------------------------------------------- what is accepted

TEST(Assemble, OneSlot) {
  const Slots slots{{77, 90, tx_flag::kCsumBlank | tx_flag::kDataValidated, 12, 1514}};
  const TxPacket packet = assemble(slots);
  EXPECT_EQ(packet.fault, TxFault::none);
  EXPECT_EQ(packet.slots, 1);
  EXPECT_EQ(packet.extras, 0);
  EXPECT_EQ(packet.length, 1514U);
  EXPECT_TRUE(packet.csum_blank);
  EXPECT_TRUE(packet.data_validated);
  EXPECT_FALSE(packet.gso);
  ASSERT_EQ(packet.data().size(), 1U);
  EXPECT_EQ(packet.data()[0].gref, 77U);
  EXPECT_EQ(packet.data()[0].offset, 90);
  EXPECT_EQ(packet.data()[0].length, 1514);
  EXPECT_EQ(packet.data()[0].slot, 0);
}

TEST(Assemble, FlagsAreThoseOfTheFirstSlot) {
  Slots slots = chain(3);
  slots[1].flags = static_cast<std::uint16_t>(slots[1].flags | tx_flag::kCsumBlank | tx_flag::kDataValidated);
  EXPECT_FALSE(assemble(slots).csum_blank);
  EXPECT_FALSE(assemble(slots).data_validated);
}

TEST(Assemble, TheFirstSlotsShareIsWhatTheOthersLeave) {
  const TxPacket packet = assemble(chain(3, 100, 60));
  ASSERT_EQ(packet.fault, TxFault::none);
  EXPECT_EQ(packet.length, 260U);
  ASSERT_EQ(packet.data().size(), 3U);
  EXPECT_EQ(packet.data()[0].length, 60);
  EXPECT_EQ(packet.data()[1].length, 100);
  EXPECT_EQ(packet.data()[2].length, 100);
  EXPECT_EQ(packet.data()[2].gref, 1002U);
}

TEST(Assemble, TakesOnePacketAndLeavesTheNext) {
  Slots slots = chain(2);
  const Slots next = chain(4);
  slots.insert(slots.end(), next.begin(), next.end());
  EXPECT_EQ(assemble(slots).slots, 2);
}

// XSA-448: zero-length slots after the first are legal and carry nothing.
TEST(Assemble, ZeroLengthSlotsCarryNothing) {
  for (std::size_t at = 1; at < 4; ++at) {
    Slots slots = chain(4);
    slots[0].size = static_cast<std::uint16_t>(slots[0].size - slots[at].size);
    slots[at].size = 0;
    const TxPacket packet = assemble(slots);
    ASSERT_EQ(packet.fault, TxFault::none);
    EXPECT_EQ(packet.data()[at].length, 0);
    EXPECT_EQ(packet.data()[0].length, 60);
  }
}

// XSA-423, XSA-432: a small packet in many slots, down to one byte each, in every number of slots there is.
TEST(Assemble, ASmallPacketInManySlots) {
  for (std::size_t count = 1; count <= kMaxDataSlots; ++count) {
    const TxPacket packet = assemble(chain(count, 1, 14));
    ASSERT_EQ(packet.fault, TxFault::none) << count << " slots";
    EXPECT_EQ(packet.length, 14 + count - 1);
    EXPECT_EQ(packet.data().size(), count);
  }
}

// ---------------------------------------------------------------- number of slots

TEST(AssembleLimit, EighteenSlotsAfterTheFirstAreAccepted) {
  for (const std::size_t count : {18U, 19U}) {
    const TxPacket packet = assemble(chain(count));
    EXPECT_EQ(packet.fault, TxFault::none) << count;
    EXPECT_EQ(packet.data().size(), count);
  }
  static_assert(kMaxDataSlots == 19);
}
TEST(AssembleLimit, TheNextTwoAreDropped) {
  expect_refused(assemble(chain(20)), TxFault::too_many_slots, 20);
  expect_refused(assemble(chain(21)), TxFault::too_many_slots, 21);
}
TEST(AssembleLimit, BeyondTheGuestIsMalicious) {
  expect_fatal(assemble(chain(22)), TxFault::slots_excessive);
  expect_fatal(assemble(chain(256)), TxFault::slots_excessive);
}
TEST(AssembleLimit, AnOffsetBeyondThePageIsFatalInADroppedPacketToo) {
  Slots slots = chain(21);
  slots[20].offset = 4000;
  expect_fatal(assemble(slots), TxFault::offset_beyond_page);
}
TEST(AssembleLimit, AChainEndsOnTheRing) {
  Slots slots = chain(5);
  slots[4].flags = tx_flag::kMoreData;
  expect_fatal(assemble(slots), TxFault::chain_beyond_ring);
  expect_fatal(assemble({{1, 0, tx_flag::kMoreData, 1, 100}}), TxFault::chain_beyond_ring);
}

// ---------------------------------------------------------------- sizes

TEST(AssembleLimit, TheFirstSlotHoldsAnEthernetHeader) {
  EXPECT_EQ(assemble({{1, 0, 0, 1, 14}}).fault, TxFault::none);
  expect_refused(assemble({{1, 0, 0, 1, 13}}), TxFault::first_slot_too_short, 1);
  expect_refused(assemble({{1, 0, 0, 1, 0}}), TxFault::first_slot_too_short, 1);
  EXPECT_EQ(assemble(chain(3, 100, 14)).fault, TxFault::none);
  expect_refused(assemble(chain(3, 100, 13)), TxFault::first_slot_too_short, 3);
  expect_refused(assemble(chain(3, 100, 0)), TxFault::first_slot_too_short, 3);
}
TEST(AssembleLimit, TheOthersHoldNoMoreThanTheWhole) {
  Slots slots = chain(3, 100, 60);
  slots[0].size = 199;
  expect_refused(assemble(slots), TxFault::size_mismatch, 3);
  // A frame of 64 KiB and more: the sum leaves 16 bits, the stated size cannot.
  Slots huge = chain(18, 4000, 60);
  huge[0].size = static_cast<std::uint16_t>(17 * 4000 + 60);
  expect_refused(assemble(huge), TxFault::size_mismatch, 18);
}
TEST(AssembleLimit, TheLargestPacketIs65535Bytes) {
  Slots slots = chain(17, 4056, 0);
  slots[0].size = 65535;
  const TxPacket packet = assemble(slots);
  ASSERT_EQ(packet.fault, TxFault::none);
  EXPECT_EQ(packet.length, 65535U);
  EXPECT_EQ(packet.data()[0].length, 65535 - 16 * 4056);
}
TEST(AssembleLimit, ASlotEndsInItsPage) {
  EXPECT_EQ(assemble({{1, 4096 - 60, 0, 1, 60}}).fault, TxFault::none);
  expect_fatal(assemble({{1, 4096 - 59, 0, 1, 60}}), TxFault::offset_beyond_page);
  EXPECT_EQ(assemble({{1, 0, 0, 1, 4096}}).fault, TxFault::none);
  expect_fatal(assemble({{1, 0, 0, 1, 4097}}), TxFault::offset_beyond_page);
  expect_fatal(assemble({{1, 0xffff, 0, 1, 0xffff}}), TxFault::offset_beyond_page);
  Slots slots = chain(2);
  slots[1].offset = 4096 - 100;
  EXPECT_EQ(assemble(slots).fault, TxFault::none);
  slots[1].offset = 4096 - 99;
  expect_fatal(assemble(slots), TxFault::offset_beyond_page);
  slots[1].offset = 0xffff;  // 16-bit arithmetic would wrap to a small end
  expect_fatal(assemble(slots), TxFault::offset_beyond_page);
}

// ---------------------------------------------------------------- extra-info slots

TEST(AssembleExtra, GsoForBothProtocols) {
  for (const bool v6 : {false, true}) {
    Slots slots = chain(2, 1000, 500);
    slots[0].flags = static_cast<std::uint16_t>(slots[0].flags | tx_flag::kExtraInfo | tx_flag::kCsumBlank);
    slots.insert(slots.begin() + 1, gso_slot(1448, v6 ? extra::kGsoTcpV6 : extra::kGsoTcpV4));
    const TxPacket packet = assemble(slots);
    ASSERT_EQ(packet.fault, TxFault::none);
    ASSERT_TRUE(packet.gso);
    EXPECT_EQ(packet.gso->size, 1448);
    EXPECT_EQ(packet.gso->ipv6, v6);
    EXPECT_EQ(packet.slots, 3);
    EXPECT_EQ(packet.extras, 1);
    ASSERT_EQ(packet.data().size(), 2U);
    EXPECT_EQ(packet.data()[0].slot, 0);
    EXPECT_EQ(packet.data()[1].slot, 2) << "data goes on behind the extra";
    EXPECT_EQ(packet.data()[1].gref, 1001U);
  }
}
TEST(AssembleExtra, AChainOfExtras) {
  const TxRequest hash = as_slot({extra::kHash, extra::kMore, {hash_type::kIpv4Tcp, 1, 9, 9, 9, 9}});
  TxPacket packet =
      assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, hash, hash, gso_slot(1000, extra::kGsoTcpV4)});
  EXPECT_EQ(packet.fault, TxFault::none);
  EXPECT_EQ(packet.slots, 4);
  EXPECT_EQ(packet.extras, 3);
  EXPECT_TRUE(packet.gso);
  EXPECT_TRUE(packet.hashed);
  // Extras are no data slots: 19 data slots and a long chain of extras are a packet.
  Slots slots = chain(19);
  slots[0].flags = static_cast<std::uint16_t>(slots[0].flags | tx_flag::kExtraInfo);
  slots.insert(slots.begin() + 1, gso_slot(1448, extra::kGsoTcpV4));
  for (int i = 0; i < 29; ++i) slots.insert(slots.begin() + 1, hash);
  packet = assemble(slots);
  EXPECT_EQ(packet.fault, TxFault::none);
  EXPECT_EQ(packet.slots, 49);
  EXPECT_EQ(packet.extras, 30);
}
TEST(AssembleExtra, AHashOfNoKnownTypeIsPassedOver) {
  const auto hashed = [](std::uint8_t type) {
    return assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, as_slot({extra::kHash, 0, {type, 1, 9, 9, 9, 9}})});
  };
  EXPECT_TRUE(hashed(hash_type::kIpv6Tcp).hashed);
  EXPECT_FALSE(hashed(hash_type::kIpv6Tcp + 1).hashed);
  EXPECT_EQ(hashed(255).fault, TxFault::none);
}
TEST(AssembleExtra, AMulticastRequestIsNoFrame) {
  for (const std::uint8_t type : {extra::kMcastAdd, extra::kMcastDel}) {
    // It ends behind its extras, whatever its flags and sizes say.
    const TxPacket packet = assemble(
        {{1, 5000, tx_flag::kExtraInfo | tx_flag::kMoreData, 1, 0}, mcast_slot(type), {2, 0, 0, 2, 60}});
    EXPECT_EQ(packet.fault, TxFault::none);
    EXPECT_EQ(packet.slots, 2);
    EXPECT_EQ(packet.extras, 1);
    EXPECT_TRUE(packet.data().empty());
    ASSERT_TRUE(packet.multicast);
    EXPECT_EQ(packet.multicast->add, type == extra::kMcastAdd);
    EXPECT_EQ(packet.multicast->address, (std::array<std::uint8_t, 6>{0x33, 0x33, 0, 0, 0, 0xfb}));
  }
}
// Of several requests in one chain Linux's netback does one: the last addition, or else the last removal.
TEST(AssembleExtra, OfSeveralMulticastRequestsOneCounts) {
  const auto last = as_slot({extra::kMcastAdd, 0, {0x33, 0x33, 0, 0, 0, 1}});
  TxPacket packet =
      assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, mcast_slot(extra::kMcastAdd, extra::kMore), last});
  EXPECT_EQ(packet.slots, 3);
  ASSERT_TRUE(packet.multicast);
  EXPECT_EQ(packet.multicast->address[5], 1);
  packet = assemble({{1, 0, tx_flag::kExtraInfo, 1, 60},
                     mcast_slot(extra::kMcastAdd, extra::kMore),
                     as_slot({extra::kMcastDel, 0, {1, 2, 3, 4, 5, 6}})});
  ASSERT_TRUE(packet.multicast);
  EXPECT_TRUE(packet.multicast->add);
  EXPECT_EQ(packet.multicast->address[5], 0xfb);
}
TEST(AssembleExtra, IsOnTheRing) {
  expect_fatal(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}}), TxFault::extra_missing);
  expect_fatal(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, gso_slot(1448, extra::kGsoTcpV4, extra::kMore)}),
               TxFault::extra_missing);
}
TEST(AssembleExtra, ATypeThatNetifDoesNotKnowIsFatal) {
  for (const std::uint8_t type : {std::uint8_t{0}, extra::kMax, std::uint8_t{6}, std::uint8_t{255}})
    expect_fatal(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, as_slot({type, 0, {}})}),
                 TxFault::extra_type_unknown);
  for (const std::uint8_t type : {extra::kMcastAdd, extra::kMcastDel, extra::kHash})
    EXPECT_EQ(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, as_slot({type, 0, {}})}).fault, TxFault::none);
}
TEST(AssembleExtra, GsoNeedsASizeAndAKnownType) {
  expect_fatal(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, gso_slot(0, extra::kGsoTcpV4)}),
               TxFault::gso_size_zero);
  EXPECT_EQ(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, gso_slot(1, extra::kGsoTcpV4)}).fault,
            TxFault::none);
  for (const std::uint8_t type : {std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{255}})
    expect_fatal(assemble({{1, 0, tx_flag::kExtraInfo, 1, 60}, gso_slot(1448, type)}),
                 TxFault::gso_type_unknown);
}

// ---------------------------------------------------------------- faults have names

TEST(TxFaultNames, AreDistinctWords) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kTxFaults; ++i) {
    const std::string_view word = name(static_cast<TxFault>(i));
    EXPECT_FALSE(word.empty());
    EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << word;
    names.insert(word);
  }
  EXPECT_EQ(names.size(), kTxFaults);
  EXPECT_EQ(name(TxFault::none), "none");
  EXPECT_EQ(name(TxFault::gso_type_unknown), "gso_type_unknown");
}
TEST(TxFaultNames, SayWhetherTheGuestLied) {
  for (const TxFault harmless : {TxFault::none, TxFault::too_many_slots, TxFault::first_slot_too_short,
                                 TxFault::size_mismatch, TxFault::no_csum_header, TxFault::grant_copy_failed,
                                 TxFault::tap_refused, TxFault::multicast_list_full})
    EXPECT_FALSE(fatal(harmless)) << name(harmless);
  for (const TxFault lie : {TxFault::chain_beyond_ring, TxFault::slots_excessive, TxFault::offset_beyond_page,
                            TxFault::extra_missing, TxFault::extra_type_unknown, TxFault::gso_size_zero,
                            TxFault::gso_type_unknown})
    EXPECT_TRUE(fatal(lie)) << name(lie);
}

// ---------------------------------------------------------------- against Linux's netback

// Slots near the limits: sizes and offsets at and around what is judged, flags that chain often.
rc::Gen<TxRequest> slots_near_limits() {
  const auto small = rc::gen::inRange<std::uint16_t>(0, 200);
  const auto size = rc::gen::weightedOneOf<std::uint16_t>(
      {{6, small},
       {2, rc::gen::element<std::uint16_t>(0, 13, 14, 4095, 4096, 4097, 65535)},
       {1, rc::gen::arbitrary<std::uint16_t>()}});
  const auto offset = rc::gen::weightedOneOf<std::uint16_t>(
      {{6, small},
       {1, rc::gen::element<std::uint16_t>(0, 4000, 4082, 4095, 4096, 65535)},
       {1, rc::gen::inRange<std::uint16_t>(3800, 4200)}});
  const auto flags = rc::gen::weightedOneOf<std::uint16_t>(
      {{8, rc::gen::just(tx_flag::kMoreData)}, {2, rc::gen::inRange<std::uint16_t>(0, 16)}});
  return rc::gen::map(
      rc::gen::tuple(rc::gen::arbitrary<std::uint32_t>(), offset, flags, rc::gen::arbitrary<std::uint16_t>(),
                     size),
      [](const auto& t) {
        return TxRequest{std::get<0>(t), std::get<1>(t), std::get<2>(t), std::get<3>(t), std::get<4>(t)};
      });
}
rc::Gen<TxRequest> extra_slots() {
  return rc::gen::map(
      rc::gen::tuple(rc::gen::inRange<std::uint8_t>(0, 7), rc::gen::inRange<std::uint8_t>(0, 2),
                     rc::gen::inRange<std::uint16_t>(0, 3), rc::gen::inRange<std::uint8_t>(0, 4)),
      [](const auto& t) {
        TxRequest slot = gso_slot(std::get<2>(t), std::get<3>(t));
        ExtraInfo extra;
        std::memcpy(&extra, &slot, sizeof extra);
        extra.type = std::get<0>(t);
        extra.flags = std::get<1>(t);
        return as_slot(extra);
      });
}

std::string described(const Slots& slots) {
  std::string text;
  for (const TxRequest& s : slots)
    text += "{offset " + std::to_string(s.offset) + " flags " + std::to_string(s.flags) + " size " +
            std::to_string(s.size) + "} ";
  return text;
}
void check(Slots slots) {
  const std::unique_ptr<TxRequest[]> exact(new TxRequest[slots.size()]);
  std::copy(slots.begin(), slots.end(), exact.get());
  if (const char* broken = test::broken_tx_property({exact.get(), slots.size()}))
    RC_FAIL(broken + (": " + described(slots)));
}

RC_GTEST_PROP(AssembleProperty, JudgesAsLinuxNetbackDoes, ()) {
  Slots slots = *rc::gen::nonEmpty(rc::gen::container<Slots>(slots_near_limits()));
  if (*rc::gen::inRange(0, 2)) {
    slots[0].flags = static_cast<std::uint16_t>(slots[0].flags | tx_flag::kExtraInfo);
    const Slots extras = *rc::gen::container<Slots>(extra_slots());
    slots.insert(slots.begin() + 1, extras.begin(), extras.end());
  }
  check(slots);
}

// Mostly good packets: the first slot's size is the sum, give or take what breaks it.
RC_GTEST_PROP(AssembleProperty, GoodPacketsAndNearlyGoodOnes, ()) {
  const auto count = *rc::gen::inRange<std::size_t>(1, 24);
  const auto first = *rc::gen::inRange<std::uint16_t>(10, 3000);
  Slots slots = chain(count, *rc::gen::inRange<std::uint16_t>(0, 4057), first);
  for (std::size_t i = 1; i < slots.size(); ++i) {
    const auto size = *rc::gen::inRange<std::uint16_t>(0, static_cast<std::uint16_t>(slots[i].size + 1));
    slots[0].size = static_cast<std::uint16_t>(slots[0].size - slots[i].size + size);
    slots[i].size = size;
  }
  check(slots);
}

RC_GTEST_PROP(AssembleProperty, AnyBytesAtAll, ()) {
  const auto bytes = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::array<std::uint32_t, 3>>>(
      rc::gen::container<std::array<std::uint32_t, 3>>(rc::gen::arbitrary<std::uint32_t>())));
  Slots slots;
  for (const auto& words : bytes) slots.push_back(std::bit_cast<TxRequest>(words));
  check(slots);
}

}  // namespace
}  // namespace hush::netif
