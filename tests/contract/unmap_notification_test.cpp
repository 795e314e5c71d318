// What a domain is told when the other side's process unmaps, unshares or dies.
#include <cerrno>

#include "tests/contract/fixture.hpp"

namespace hush::contract {
namespace {

class UnmapNotificationTest : public Contract {
 protected:
  // The page that the peer shares: range and reference.
  std::vector<uint32_t> shared = peer_shares(1);
  uint32_t peers_byte(uint32_t offset) {
    return peer.tell("peek " + std::to_string(shared[0]) + " " + std::to_string(offset)).number();
  }
  void set_peers_byte(uint32_t offset) {
    ASSERT_TRUE(peer.tell("poke " + std::to_string(shared[0]) + " " + std::to_string(offset) + " 200").ok());
  }
};

TEST_F(UnmapNotificationTest, UnmapClearsTheByte) {
  set_peers_byte(10);
  set_peers_byte(11);
  void* at = xengnttab_map_grant_ref_notify(gnttab, peer_domid, shared[1], kReadWrite, 10, ~0U);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(peers_byte(10), 200U);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
  EXPECT_EQ(peers_byte(10), 0U);
  EXPECT_EQ(peers_byte(11), 200U);
}

TEST_F(UnmapNotificationTest, UnmapSendsTheEvent) {
  const auto [ours, theirs] = channel();
  void* at = xengnttab_map_grant_ref_notify(gnttab, peer_domid, shared[1], kReadWrite, ~0U, ours);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(peer.tell("look").words(), "none");
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
  EXPECT_EQ(peer.tell("wait").number(), theirs);
}

TEST_F(UnmapNotificationTest, KillOfTheMapperDoesBoth) {
  set_peers_byte(4095);
  const uint32_t theirs = peer.tell("bind-unbound 0").number();
  Worker worker;
  const uint32_t ours =
      worker.tell("bind " + std::to_string(peer_domid) + " " + std::to_string(theirs)).number();
  ASSERT_TRUE(worker
                  .tell("map-notify " + std::to_string(peer_domid) + " " + std::to_string(shared[1]) +
                        " 4095 " + std::to_string(ours))
                  .ok());
  EXPECT_EQ(peers_byte(4095), 200U);
  worker.kill();
  EXPECT_EQ(peer.tell("wait").number(), theirs);
  EXPECT_EQ(peers_byte(4095), 0U);
}

TEST_F(UnmapNotificationTest, UnshareClearsTheByteForTheMapper) {
  const uint32_t port = peer.tell("bind-unbound 0").number();
  const auto page = peer.tell("share-notify 0 20 -1").numbers();
  ASSERT_EQ(page.size(), 2U);
  ASSERT_NE(port, ~0U);
  uint8_t* at = map(page[1]);
  ASSERT_NE(at, nullptr);
  poke(at + 20, 1);
  poke(at + 21, 1);
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(page[0])).ok());
  EXPECT_EQ(peek(at + 20), 0);
  EXPECT_EQ(peek(at + 21), 1);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(UnmapNotificationTest, UnshareSendsTheEvent) {
  const auto [ours, theirs] = channel();
  const auto page = peer.tell("share-notify 0 -1 " + std::to_string(theirs)).numbers();
  ASSERT_EQ(page.size(), 2U);
  EXPECT_FALSE(readable(evtchn));
  ASSERT_TRUE(peer.tell("unshare " + std::to_string(page[0])).ok());
  EXPECT_EQ(wait_event(evtchn), static_cast<int>(ours));
}

TEST_F(UnmapNotificationTest, KillOfTheOwnerDoesBoth) {
  const auto [ours, theirs] = channel();
  const auto page = peer.tell("share-notify 0 0 " + std::to_string(theirs)).numbers();
  ASSERT_EQ(page.size(), 2U);
  uint8_t* at = map(page[1]);
  ASSERT_NE(at, nullptr);
  poke(at, 1);
  peer.kill();
  EXPECT_EQ(wait_event(evtchn), static_cast<int>(ours));
  EXPECT_EQ(peek(at), 0);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
}

TEST_F(UnmapNotificationTest, HandleClosedBeforeTheUnmapStillTells) {
  const uint32_t theirs = peer.tell("bind-unbound 0").number();
  xenevtchn_handle* other = xenevtchn_open(nullptr, 0);
  const int ours = xenevtchn_bind_interdomain(other, peer_domid, theirs);
  ASSERT_GT(ours, 0);
  void* at = xengnttab_map_grant_ref_notify(gnttab, peer_domid, shared[1], kReadWrite, ~0U,
                                            static_cast<evtchn_port_t>(ours));
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(xenevtchn_close(other), 0);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
  EXPECT_EQ(peer.tell("wait").number(), theirs);
}

TEST_F(UnmapNotificationTest, PortMustBeBoundHere) {
  errno = 0;
  EXPECT_EQ(xengnttab_map_grant_ref_notify(gnttab, peer_domid, shared[1], kReadWrite, ~0U, 1000), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(UnmapNotificationTest, ByteOfAReadOnlyMappingIsRefused) {
  errno = 0;
  EXPECT_EQ(xengnttab_map_grant_ref_notify(gnttab, peer_domid, shared[1], kRead, 10, ~0U), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(UnmapNotificationTest, EventComesOnce) {
  const auto [ours, theirs] = channel();
  void* at = xengnttab_map_grant_ref_notify(gnttab, peer_domid, shared[1], kReadWrite, 0, ours);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(xengnttab_unmap(gnttab, at, 1), 0);
  EXPECT_EQ(peer.tell("wait").number(), theirs);
  ASSERT_TRUE(peer.tell("unmask " + std::to_string(theirs)).ok());
  set_peers_byte(0);
  EXPECT_EQ(peer.tell("look").words(), "none");
  EXPECT_EQ(peers_byte(0), 200U);
}

}  // namespace
}  // namespace hush::contract
