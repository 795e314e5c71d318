// Event channels.
#include <cerrno>
#include <set>

#include "tests/contract/fixture.hpp"

namespace hush::contract {
namespace {

class EventTest : public Contract {
 protected:
  void expect_errno(int result, int expected) {
    const int reason = errno;
    EXPECT_EQ(result, -1);
    EXPECT_EQ(reason, expected);
  }
  uint32_t peers_port(uint32_t with = 0) {
    return peer.tell("bind-unbound " + std::to_string(with)).number();
  }
  int bind(uint32_t remote_port) { return xenevtchn_bind_interdomain(evtchn, peer_domid, remote_port); }
};

TEST_F(EventTest, NotifyReachesThePeer) {
  const auto [ours, theirs] = channel();
  EXPECT_EQ(xenevtchn_notify(evtchn, ours), 0);
  EXPECT_EQ(peer.tell("wait").number(), theirs);
}

TEST_F(EventTest, NotifyComesBack) {
  const auto [ours, theirs] = channel();
  ASSERT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
  EXPECT_EQ(wait_event(evtchn), static_cast<int>(ours));
}

TEST_F(EventTest, HundredRoundTrips) {
  const auto [ours, theirs] = channel();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(xenevtchn_notify(evtchn, ours), 0);
    ASSERT_EQ(peer.tell("wait").number(), theirs);
    ASSERT_TRUE(peer.tell("unmask " + std::to_string(theirs)).ok());
    ASSERT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
    ASSERT_EQ(wait_event(evtchn), static_cast<int>(ours));
    ASSERT_EQ(xenevtchn_unmask(evtchn, ours), 0);
  }
}

TEST_F(EventTest, BindingIsPendingForTheBinder) {
  const int ours = bind(peers_port());
  ASSERT_GT(ours, 0);
  EXPECT_EQ(wait_event(evtchn), ours);
}

TEST_F(EventTest, BindingIsNotPendingForTheAllocator) {
  channel();
  EXPECT_EQ(peer.tell("look").words(), "none");
}

TEST_F(EventTest, IdleHandleIsNotReadable) {
  channel();
  EXPECT_FALSE(readable(evtchn));
}

TEST_F(EventTest, TakenEventIsMaskedUntilUnmasked) {
  const auto [ours, theirs] = channel();
  ASSERT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
  ASSERT_EQ(wait_event(evtchn), static_cast<int>(ours));
  ASSERT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
  EXPECT_FALSE(readable(evtchn));
  EXPECT_EQ(xenevtchn_unmask(evtchn, ours), 0);
  EXPECT_EQ(wait_event(evtchn), static_cast<int>(ours));
}

TEST_F(EventTest, UnmaskWithNothingPendingIsQuiet) {
  const auto [ours, theirs] = channel();
  ASSERT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
  ASSERT_EQ(wait_event(evtchn), static_cast<int>(ours));
  EXPECT_EQ(xenevtchn_unmask(evtchn, ours), 0);
  peer.tell("hello");
  EXPECT_FALSE(readable(evtchn));
}

TEST_F(EventTest, ManyNotifiesAreOneOrTwoEvents) {
  // Linux takes the first at once and keeps one more for after the unmask.
  const auto [ours, theirs] = channel();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
  int events = 0;
  while (readable(evtchn)) {
    ASSERT_EQ(xenevtchn_pending(evtchn), static_cast<int>(ours));
    ASSERT_EQ(xenevtchn_unmask(evtchn, ours), 0);
    peer.tell("hello");
    ++events;
  }
  EXPECT_GE(events, 1);
  EXPECT_LE(events, 2);
}

TEST_F(EventTest, MaskedPortDoesNotHoldBackAnother) {
  const auto [first, their_first] = channel();
  const auto [second, their_second] = channel();
  ASSERT_TRUE(peer.tell("notify " + std::to_string(their_first)).ok());
  ASSERT_EQ(wait_event(evtchn), static_cast<int>(first));
  ASSERT_TRUE(peer.tell("notify " + std::to_string(their_second)).ok());
  EXPECT_EQ(wait_event(evtchn), static_cast<int>(second));
}

TEST_F(EventTest, EveryPendingPortIsTaken) {
  std::set<int> expected;
  std::vector<uint32_t> theirs;
  for (int i = 0; i < 16; ++i) {
    const auto [ours, peers] = channel();
    expected.insert(static_cast<int>(ours));
    theirs.push_back(peers);
  }
  for (const uint32_t port : theirs) ASSERT_TRUE(peer.tell("notify " + std::to_string(port)).ok());
  std::set<int> taken;
  while (taken.size() < expected.size()) ASSERT_TRUE(taken.insert(wait_event(evtchn)).second);
  EXPECT_EQ(taken, expected);
}

TEST_F(EventTest, NotifyBeforeAnybodyBoundIsNoError) {
  const int port = xenevtchn_bind_unbound_port(evtchn, peer_domid);
  ASSERT_GT(port, 0);
  EXPECT_EQ(xenevtchn_notify(evtchn, static_cast<evtchn_port_t>(port)), 0);
}

TEST_F(EventTest, PeerBindsWhatDom0Allocated) {
  const int port = xenevtchn_bind_unbound_port(evtchn, peer_domid);
  ASSERT_GT(port, 0);
  const uint32_t theirs = peer.tell("bind 0 " + std::to_string(port)).number();
  EXPECT_EQ(peer.tell("wait").number(), theirs);
  EXPECT_EQ(xenevtchn_notify(evtchn, static_cast<evtchn_port_t>(port)), 0);
  ASSERT_TRUE(peer.tell("unmask " + std::to_string(theirs)).ok());
  EXPECT_EQ(peer.tell("wait").number(), theirs);
}

TEST_F(EventTest, BoundPortCannotBeBoundAgain) {
  const auto [ours, theirs] = channel();
  expect_errno(bind(theirs), EINVAL);
}

TEST_F(EventTest, PortForAnotherDomainIsRefused) {
  expect_errno(bind(peers_port(kNobody)), EINVAL);
}

TEST_F(EventTest, UnknownPortIsRefused) {
  expect_errno(bind(900), EINVAL);
}

TEST_F(EventTest, UnknownDomainIsRefused) {
  expect_errno(xenevtchn_bind_interdomain(evtchn, kNobody, 1), ESRCH);
}

TEST_F(EventTest, PortOfAnotherHandleIsRefused) {
  const auto [ours, theirs] = channel();
  xenevtchn_handle* other = xenevtchn_open(nullptr, 0);
  ASSERT_NE(other, nullptr);
  expect_errno(xenevtchn_notify(other, ours), ENOTCONN);
  expect_errno(xenevtchn_unbind(other, ours), ENOTCONN);
  EXPECT_EQ(xenevtchn_close(other), 0);
  EXPECT_EQ(xenevtchn_notify(evtchn, ours), 0);
  EXPECT_EQ(peer.tell("wait").number(), theirs);
}

TEST_F(EventTest, UnmaskOfAnUnboundPortIsIgnored) {
  EXPECT_EQ(xenevtchn_unmask(evtchn, 900), 0);
}

TEST_F(EventTest, UnboundPortIsGone) {
  const auto [ours, theirs] = channel();
  EXPECT_EQ(xenevtchn_unbind(evtchn, ours), 0);
  expect_errno(xenevtchn_notify(evtchn, ours), ENOTCONN);
  EXPECT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok());
}

TEST_F(EventTest, UnbindLetsTheSameDomainBindAgain) {
  const auto [ours, theirs] = channel();
  EXPECT_EQ(xenevtchn_unbind(evtchn, ours), 0);
  const int again = bind(theirs);
  ASSERT_GT(again, 0);
  EXPECT_EQ(wait_event(evtchn), again);
  EXPECT_EQ(xenevtchn_notify(evtchn, static_cast<evtchn_port_t>(again)), 0);
  EXPECT_EQ(peer.tell("wait").number(), theirs);
}

TEST_F(EventTest, CloseOfTheHandleUnbinds) {
  const uint32_t theirs = peers_port();
  xenevtchn_handle* other = xenevtchn_open(nullptr, 0);
  ASSERT_GT(xenevtchn_bind_interdomain(other, peer_domid, theirs), 0);
  EXPECT_EQ(xenevtchn_close(other), 0);
  EXPECT_GT(bind(theirs), 0);
}

TEST_F(EventTest, KilledBindersPortCanBeBoundAgain) {
  const uint32_t theirs = peers_port();
  Worker worker;
  for (int round = 0; round < 3; ++round) {
    uint32_t ours = ~0U;
    ASSERT_TRUE(eventually([&] {
      ours = worker.tell("bind " + std::to_string(peer_domid) + " " + std::to_string(theirs)).number();
      return ours != ~0U;
    }));
    EXPECT_EQ(worker.tell("wait").number(), ours) << "pending at once";
    ASSERT_TRUE(worker.tell("notify " + std::to_string(ours)).ok());
    EXPECT_EQ(peer.tell("wait").number(), theirs);
    worker.kill();
    EXPECT_TRUE(peer.tell("notify " + std::to_string(theirs)).ok()) << "nobody there is no error";
    ASSERT_TRUE(peer.tell("unmask " + std::to_string(theirs)).ok());
  }
}

TEST_F(EventTest, KilledAllocatorLeavesTheBinderQuiet) {
  const auto [ours, theirs] = channel();
  peer.kill();
  ASSERT_TRUE(peer.tell("hello").ok());
  EXPECT_FALSE(readable(evtchn));
  EXPECT_EQ(xenevtchn_notify(evtchn, ours), 0);
}

TEST_F(EventTest, DomainOfAKilledAllocatorCanBindTheSurvivor) {
  const auto [ours, theirs] = channel();
  peer.kill();
  uint32_t again = ~0U;
  ASSERT_TRUE(eventually([&, port = ours] {
    again = peer.tell("bind 0 " + std::to_string(port)).number();
    return again != ~0U;
  }));
  ASSERT_TRUE(peer.tell("notify " + std::to_string(again)).ok());
  EXPECT_EQ(wait_event(evtchn), static_cast<int>(ours));
}

TEST_F(EventTest, RestrictedHandleBindsOnlyItsDomain) {
  const uint32_t theirs = peers_port();
  xenevtchn_handle* other = xenevtchn_open(nullptr, 0);
  ASSERT_EQ(xenevtchn_restrict(other, static_cast<domid_t>(peer_domid)), 0);
  expect_errno(xenevtchn_bind_interdomain(other, kNobody, 1), EACCES);
  expect_errno(xenevtchn_bind_unbound_port(other, kNobody), EACCES);
  expect_errno(xenevtchn_restrict(other, static_cast<domid_t>(peer_domid)), EACCES);
  EXPECT_GT(xenevtchn_bind_interdomain(other, peer_domid, theirs), 0);
  EXPECT_EQ(xenevtchn_close(other), 0);
}

}  // namespace
}  // namespace hush::contract
