// Sharing and mapping.
#include <cerrno>
#include <vector>

#include "tests/contract/fixture.hpp"

namespace hush::contract {
namespace {

class GrantTest : public Contract {
 protected:
  void expect_no_map(uint32_t gref, int protection = kReadWrite) {
    errno = 0;
    EXPECT_EQ(map(gref, protection), nullptr);
    EXPECT_EQ(errno, EINVAL);
  }
};

TEST_F(GrantTest, MapperSeesWhatTheOwnerWrote) {
  const auto shared = peer_shares(1);
  ASSERT_TRUE(peer.tell("fill " + std::to_string(shared[0]) + " 3").ok());
  uint8_t* at = map(shared[1], kRead);
  ASSERT_NE(at, nullptr);
  for (uint32_t i = 0; i < kPage; ++i) ASSERT_EQ(peek(at + i), filled(i, 3)) << i;
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(GrantTest, OwnerSeesWhatTheMapperWrote) {
  const auto shared = peer_shares(1);
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  poke(at + 4095, 0x5a);
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 4095").number(), 0x5aU);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(GrantTest, Dom0SharesAndThePeerMaps) {
  uint32_t gref = 0;
  auto* own = static_cast<uint8_t*>(xengntshr_share_pages(gntshr, peer_domid, 1, &gref, 1));
  ASSERT_NE(own, nullptr);
  poke(own + 7, 0x11);
  const uint32_t range = peer.tell("map 0 3 " + std::to_string(gref)).number();
  EXPECT_EQ(peer.tell("peek " + std::to_string(range) + " 7").number(), 0x11U);
  ASSERT_TRUE(peer.tell("poke " + std::to_string(range) + " 8 34").ok());
  EXPECT_EQ(peek(own + 8), 34);
  EXPECT_TRUE(peer.tell("unmap " + std::to_string(range)).ok());
  EXPECT_EQ(xengntshr_unshare(gntshr, own, 1), 0);
}

TEST_F(GrantTest, SharedPagesComeCleared) {
  for (int round = 0; round < 2; ++round) {
    const auto shared = peer_shares(4);
    for (size_t page = 0; page < 4; ++page) {
      uint8_t* at = map(shared[1 + page], kRead);
      ASSERT_NE(at, nullptr);
      for (size_t i = 0; i < kPage; ++i) ASSERT_EQ(peek(at + i), 0);
      EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
    }
    ASSERT_TRUE(peer.tell("fill " + std::to_string(shared[0]) + " 1").ok());
    ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  }
}

TEST_F(GrantTest, ReadOnlyGrantMapsForReading) {
  const auto shared = peer_shares(1, false);
  ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " 0 9").ok());
  uint8_t* at = map(shared[1], kRead);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(peek(at), 9);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(GrantTest, ReadOnlyGrantRefusesAWritableMap) {
  expect_no_map(peer_shares(1, false)[1]);
}

TEST_F(GrantTest, ReferenceBeyondTheTableIsRefused) {
  expect_no_map(0x7fffffff, kRead);
}

TEST_F(GrantTest, ReferenceNeverGrantedIsRefused) {
  const auto shared = peer_shares(1);
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  expect_no_map(shared[1], kRead);
}

TEST_F(GrantTest, GrantForAnotherDomainIsRefused) {
  expect_no_map(peer_shares(1, true, kNobody)[1], kRead);
}

TEST_F(GrantTest, UnknownDomainIsRefused) {
  errno = 0;
  EXPECT_EQ(xengnttab_map_grant_ref(gnttab, kNobody, 8, kRead), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(GrantTest, ManyPagesMapAsOneRangeInTheOrderAsked) {
  constexpr uint32_t kPages = 64;
  const auto shared = peer_shares(kPages);
  for (uint32_t page = 0; page < kPages; ++page)
    ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " " + std::to_string(page * kPage) + " " +
                          std::to_string(page + 1))
                    .ok());
  std::vector<uint32_t> backwards(shared.rbegin(), shared.rend() - 1);
  auto* at = static_cast<uint8_t*>(
      xengnttab_map_domain_grant_refs(gnttab, kPages, peer_domid, backwards.data(), kReadWrite));
  ASSERT_NE(at, nullptr);
  for (uint32_t page = 0; page < kPages; ++page) EXPECT_EQ(peek(at + page * kPage), kPages - page);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, kPages), 0);
}

TEST_F(GrantTest, OneCallMapsGrantsOfSeveralDomains) {
  const auto shared = peer_shares(1);
  uint32_t own_gref = 0;
  auto* own = static_cast<uint8_t*>(xengntshr_share_pages(gntshr, 0, 1, &own_gref, 1));
  ASSERT_NE(own, nullptr);
  poke(own, 77);
  ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " 0 78").ok());
  uint32_t domids[2] = {0, peer_domid};
  uint32_t refs[2] = {own_gref, shared[1]};
  auto* at = static_cast<uint8_t*>(xengnttab_map_grant_refs(gnttab, 2, domids, refs, kReadWrite));
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(peek(at), 77);
  EXPECT_EQ(peek(at + kPage), 78);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 2), 0);
  EXPECT_EQ(xengntshr_unshare(gntshr, own, 1), 0);
}

TEST_F(GrantTest, OneBadReferenceFailsTheWholeMap) {
  const auto shared = peer_shares(3);
  uint32_t refs[3] = {shared[1], 0x7fffffff, shared[3]};
  errno = 0;
  EXPECT_EQ(xengnttab_map_domain_grant_refs(gnttab, 3, peer_domid, refs, kReadWrite), nullptr);
  EXPECT_EQ(errno, EINVAL);
  // Nothing of it stayed mapped: what the peer takes back is taken back.
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  EXPECT_TRUE(eventually([&] { return map(shared[1], kRead) == nullptr; }));
}

TEST_F(GrantTest, UnmapTakesTheWholeRangeOrNothing) {
  const auto shared = peer_shares(3);
  uint32_t refs[3] = {shared[1], shared[2], shared[3]};
  auto* at = static_cast<uint8_t*>(xengnttab_map_domain_grant_refs(gnttab, 3, peer_domid, refs, kReadWrite));
  ASSERT_NE(at, nullptr);
  errno = 0;
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 2), -1);
  EXPECT_EQ(errno, EINVAL);
  poke(at + 2 * kPage, 1);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 3), 0);
}

TEST_F(GrantTest, UnmapOfWhatWasNeverMappedIsRefused) {
  uint8_t page = 0;
  EXPECT_EQ(xengnttab_unmap(gnttab, &page, 1), -1);
}

TEST_F(GrantTest, OneGrantMapsTwice) {
  const auto shared = peer_shares(1);
  uint8_t* first = map(shared[1]);
  uint8_t* second = map(shared[1]);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(first, second);
  poke(first, 5);
  EXPECT_EQ(peek(second), 5);
  EXPECT_EQ(xengnttab_unmap(gnttab, first, 1), 0);
  EXPECT_EQ(peek(second), 5);
  EXPECT_EQ(xengnttab_unmap(gnttab, second, 1), 0);
}

TEST_F(GrantTest, TwoProcessesMapOneGrant) {
  const auto shared = peer_shares(1);
  Worker worker;
  const uint32_t range =
      worker.tell("map " + std::to_string(peer_domid) + " 3 " + std::to_string(shared[1])).number();
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  ASSERT_TRUE(worker.tell("poke " + std::to_string(range) + " 12 13").ok());
  EXPECT_EQ(peek(at + 12), 13);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(GrantTest, MoreThanTheLimitIsRefused) {
  std::vector<uint32_t> refs(100'000);
  errno = 0;
  EXPECT_EQ(xengntshr_share_pages(gntshr, peer_domid, static_cast<int>(refs.size()), refs.data(), 1),
            nullptr);
  EXPECT_EQ(errno, ENOSPC);
}

TEST_F(GrantTest, MappingOutlivesItsHandle) {
  const auto shared = peer_shares(1);
  xengnttab_handle* other = xengnttab_open(nullptr, 0);
  ASSERT_NE(other, nullptr);
  auto* at = static_cast<uint8_t*>(xengnttab_map_grant_ref(other, peer_domid, shared[1], kReadWrite));
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(xengnttab_close(other), 0);
  poke(at, 21);
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 0").number(), 21U);
}

TEST_F(GrantTest, RevokedWhileMappedStaysReadable) {
  const auto shared = peer_shares(1);
  ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " 0 31").ok());
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  EXPECT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  EXPECT_EQ(peek(at), 31);
  poke(at, 32);
  EXPECT_EQ(peek(at), 32);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(GrantTest, RevokedGrantCannotBeMappedAgain) {
  const auto shared = peer_shares(1);
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  expect_no_map(shared[1], kRead);
}

TEST_F(GrantTest, GrantRevokedWhileMappedStandsUntilTheUnmap) {
  // Linux cannot end access that is in use: it tries again until it can.
  const auto shared = peer_shares(1);
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  uint8_t* second = map(shared[1]);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(xengnttab_unmap(gnttab, second, 1), 0);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
  EXPECT_TRUE(eventually([&] {
    uint8_t* again = map(shared[1], kRead);
    if (again != nullptr) xengnttab_unmap(gnttab, again, 1);
    return again == nullptr;
  }));
}

TEST_F(GrantTest, KilledOwnerLeavesTheMappingReadable) {
  const auto shared = peer_shares(1);
  ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " 100 41").ok());
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  peer.kill();
  ASSERT_TRUE(peer.tell("hello").ok());
  EXPECT_EQ(peek(at + 100), 41);
  poke(at + 100, 42);
  EXPECT_EQ(peek(at + 100), 42);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(GrantTest, KilledOwnersGrantsCannotBeMapped) {
  const auto shared = peer_shares(1);
  peer.kill();
  ASSERT_TRUE(peer.tell("hello").ok());
  EXPECT_TRUE(eventually([&] {
    uint8_t* at = map(shared[1], kRead);
    if (at != nullptr) xengnttab_unmap(gnttab, at, 1);
    return at == nullptr;
  }));
}

TEST_F(GrantTest, KilledMapperLetsTheOwnerTakeBack) {
  const auto shared = peer_shares(1);
  Worker worker;
  ASSERT_TRUE(worker.tell("map " + std::to_string(peer_domid) + " 3 " + std::to_string(shared[1])).ok());
  worker.kill();
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  EXPECT_TRUE(eventually([&] {
    uint8_t* at = map(shared[1], kRead);
    if (at != nullptr) xengnttab_unmap(gnttab, at, 1);
    return at == nullptr;
  }));
}

}  // namespace
}  // namespace hush::contract
