// Grant copies: what moves, and which status each refusal has.
#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/contract/fixture.hpp"

namespace hush::contract {
namespace {

using Segment = xengnttab_grant_copy_segment_t;

class CopyTest : public Contract {
 protected:
  Segment from_peer(uint32_t gref, uint16_t offset, void* to, uint16_t length) {
    Segment segment{};
    segment.source.foreign = {gref, offset, static_cast<uint16_t>(peer_domid)};
    segment.dest.virt = to;
    segment.len = length;
    segment.flags = GNTCOPY_source_gref;
    segment.status = 99;
    return segment;
  }
  Segment to_peer(void* from, uint32_t gref, uint16_t offset, uint16_t length) {
    Segment segment{};
    segment.source.virt = from;
    segment.dest.foreign = {gref, offset, static_cast<uint16_t>(peer_domid)};
    segment.len = length;
    segment.flags = GNTCOPY_dest_gref;
    segment.status = 99;
    return segment;
  }
  int copy(Segment& segment) { return xengnttab_grant_copy(gnttab, 1, &segment); }
  void expect_status(Segment segment, int16_t status) {
    EXPECT_EQ(copy(segment), 0);
    EXPECT_EQ(segment.status, status);
  }
  std::vector<uint32_t> filled_pages(uint32_t pages, uint32_t seed) {
    auto shared = peer_shares(pages);
    EXPECT_TRUE(peer.tell("fill " + std::to_string(shared[0]) + " " + std::to_string(seed)).ok());
    return shared;
  }

  alignas(4096) uint8_t buffer[4 * kPage] = {};
};

TEST_F(CopyTest, WholePageFromTheForeignDomain) {
  const auto shared = filled_pages(1, 11);
  Segment segment = from_peer(shared[1], 0, buffer, kPage);
  ASSERT_EQ(copy(segment), 0);
  EXPECT_EQ(segment.status, GNTST_okay);
  for (uint32_t i = 0; i < kPage; ++i) ASSERT_EQ(buffer[i], filled(i, 11)) << i;
}

TEST_F(CopyTest, WholePageToTheForeignDomain) {
  const auto shared = peer_shares(1);
  std::memset(buffer, 0x66, kPage);
  expect_status(to_peer(buffer, shared[1], 0, kPage), GNTST_okay);
  for (const char* offset : {" 0", " 2048", " 4095"})
    EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + offset).number(), 0x66U);
}

TEST_F(CopyTest, OffsetsAndNeighboursAreKept) {
  const auto shared = filled_pages(1, 5);
  std::memset(buffer, 0xee, sizeof buffer);
  expect_status(from_peer(shared[1], 1001, buffer + 17, 63), GNTST_okay);
  EXPECT_EQ(buffer[16], 0xee);
  for (uint32_t i = 0; i < 63; ++i) EXPECT_EQ(buffer[17 + i], filled(1001 + i, 5));
  EXPECT_EQ(buffer[17 + 63], 0xee);

  uint8_t patch[3] = {1, 2, 3};
  expect_status(to_peer(patch, shared[1], 4093, 3), GNTST_okay);
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 4092").number(), filled(4092, 5));
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 4093").number(), 1U);
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 4095").number(), 3U);
}

TEST_F(CopyTest, BothSidesForeign) {
  const auto shared = filled_pages(2, 9);
  Segment segment{};
  segment.source.foreign = {shared[1], 100, static_cast<uint16_t>(peer_domid)};
  segment.dest.foreign = {shared[2], 3000, static_cast<uint16_t>(peer_domid)};
  segment.len = 500;
  segment.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
  ASSERT_EQ(copy(segment), 0);
  EXPECT_EQ(segment.status, GNTST_okay);
  for (const uint32_t i : {0U, 250U, 499U})
    EXPECT_EQ(
        peer.tell("peek " + std::to_string(shared[0]) + " " + std::to_string(kPage + 3000 + i)).number(),
        filled(100 + i, 9));
}

TEST_F(CopyTest, LocalSideMayCrossPages) {
  const auto shared = filled_pages(1, 77);
  expect_status(from_peer(shared[1], 0, buffer + kPage - 100, kPage), GNTST_okay);
  for (uint32_t i = 0; i < kPage; ++i) ASSERT_EQ(buffer[kPage - 100 + i], filled(i, 77)) << i;
  std::memset(buffer + 2 * kPage - 50, 0x21, 100);
  expect_status(to_peer(buffer + 2 * kPage - 50, shared[1], 10, 100), GNTST_okay);
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 109").number(), 0x21U);
}

TEST_F(CopyTest, ForeignSideMustNotCrossThePage) {
  const auto shared = filled_pages(2, 1);
  Segment segment = from_peer(shared[1], 4000, buffer, 97);
  errno = 0;
  EXPECT_EQ(copy(segment), -1);
  EXPECT_EQ(errno, EINVAL);
  segment = to_peer(buffer, shared[1], 4095, 2);
  EXPECT_EQ(copy(segment), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CopyTest, OneSideMustBeForeign) {
  Segment segment{};
  segment.source.virt = buffer;
  segment.dest.virt = buffer + kPage;
  segment.len = 10;
  errno = 0;
  EXPECT_EQ(copy(segment), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CopyTest, ReferenceBeyondTheTableIsABadReference) {
  expect_status(from_peer(0x7fffffff, 0, buffer, 1), GNTST_bad_gntref);
}

TEST_F(CopyTest, RevokedReferenceIsAGeneralError) {
  const auto shared = peer_shares(1);
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(shared[0])).ok());
  expect_status(from_peer(shared[1], 0, buffer, 1), GNTST_general_error);
}

TEST_F(CopyTest, UnknownDomainIsABadDomain) {
  Segment segment = from_peer(8, 0, buffer, 1);
  segment.source.foreign.domid = kNobody;
  expect_status(segment, GNTST_bad_domain);
}

TEST_F(CopyTest, GrantForAnotherDomainIsAGeneralError) {
  const auto shared = peer_shares(1, true, kNobody);
  expect_status(from_peer(shared[1], 0, buffer, 1), GNTST_general_error);
}

TEST_F(CopyTest, ReadOnlyGrantCanBeReadAndNotWritten) {
  const auto shared = peer_shares(1, false);
  ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " 50 51").ok());
  expect_status(from_peer(shared[1], 50, buffer, 1), GNTST_okay);
  EXPECT_EQ(buffer[0], 51);
  buffer[0] = 52;
  expect_status(to_peer(buffer, shared[1], 50, 1), GNTST_general_error);
  EXPECT_EQ(peer.tell("peek " + std::to_string(shared[0]) + " 50").number(), 51U);
}

TEST_F(CopyTest, NothingCopiedIsNothingChecked) {
  expect_status(from_peer(0x7fffffff, 0, buffer, 0), GNTST_okay);
}

TEST_F(CopyTest, OneBadSegmentLeavesTheOthers) {
  const auto shared = filled_pages(2, 30);
  Segment segments[3] = {from_peer(shared[1], 0, buffer, 8), from_peer(0x7fffffff, 0, buffer + 100, 8),
                         from_peer(shared[2], 0, buffer + 200, 8)};
  ASSERT_EQ(xengnttab_grant_copy(gnttab, 3, segments), 0);
  EXPECT_EQ(segments[0].status, GNTST_okay);
  EXPECT_EQ(segments[1].status, GNTST_bad_gntref);
  EXPECT_EQ(segments[2].status, GNTST_okay);
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(buffer[i], filled(i, 30));
    EXPECT_EQ(buffer[100 + i], 0);
    EXPECT_EQ(buffer[200 + i], filled(kPage + i, 30));
  }
}

TEST_F(CopyTest, ThousandSegmentsInOneCall) {
  const auto shared = filled_pages(16, 2);
  std::vector<uint8_t> out(1000 * 4);
  std::vector<Segment> segments;
  for (uint32_t i = 0; i < 1000; ++i)
    segments.push_back(from_peer(shared[1 + i % 16], static_cast<uint16_t>(i * 4), &out[i * 4], 4));
  ASSERT_EQ(xengnttab_grant_copy(gnttab, 1000, segments.data()), 0);
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(segments[i].status, GNTST_okay);
    EXPECT_EQ(out[i * 4], filled((i % 16) * static_cast<uint32_t>(kPage) + i * 4, 2));
  }
}

TEST_F(CopyTest, PageMappedAtTheSameTime) {
  const auto shared = peer_shares(1);
  uint8_t* at = map(shared[1]);
  ASSERT_NE(at, nullptr);
  buffer[0] = 90;
  expect_status(to_peer(buffer, shared[1], 4, 1), GNTST_okay);
  EXPECT_EQ(peek(at + 4), 90);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

}  // namespace
}  // namespace hush::contract
