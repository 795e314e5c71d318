// What is simxen's own and not Xen's contract: faults, counts, limits, processes that fork, domains that are
// killed.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "tools/simxen/tests/test_world.hpp"

namespace hush::simxen {
namespace {

constexpr uint32_t kNobody = 900;

class LibraryTest : public ::testing::Test {
 protected:
  ~LibraryTest() override { TestWorld::command("fault all off"); }
  uint8_t* share(Handles& by, uint32_t with, uint32_t& gref, int writable = 1) {
    return static_cast<uint8_t*>(xengntshr_share_pages(by.gntshr, with, 1, &gref, writable));
  }
  uint8_t* map(Handles& by, uint32_t of, uint32_t gref, int protection = PROT_READ | PROT_WRITE) {
    return static_cast<uint8_t*>(xengnttab_map_grant_ref(by.gnttab, of, gref, protection));
  }

  Handles dom0{0};
  Handles guest{1};
};

TEST_F(LibraryTest, OneProcessCanBeTwoDomains) {
  uint32_t gref = 0;
  uint8_t* own = share(guest, 0, gref);
  ASSERT_NE(own, nullptr);
  uint8_t* at = map(dom0, 1, gref);
  ASSERT_NE(at, nullptr);
  own[1] = 8;
  EXPECT_EQ(at[1], 8);
  EXPECT_EQ(map(guest, 1, gref), nullptr) << "granted to dom0, not to the guest itself";
  EXPECT_EQ(xengnttab_unmap(dom0.gnttab, at, 1), 0);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, own, 1), 0);
}

TEST_F(LibraryTest, ReadOnlyMappingCannotBeMadeWritable) {
  uint32_t gref = 0;
  uint8_t* own = share(guest, 0, gref, 0);
  uint8_t* at = map(dom0, 1, gref, PROT_READ);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(::mprotect(at, 4096, PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(xengnttab_unmap(dom0.gnttab, at, 1), 0);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, own, 1), 0);
}

TEST_F(LibraryTest, FaultComesOnce) {
  uint32_t gref = 0;
  uint8_t* own = share(guest, 0, gref);
  ASSERT_EQ(TestWorld::command("fault map once"), 0);
  EXPECT_EQ(map(dom0, 1, gref), nullptr);
  EXPECT_EQ(errno, EINVAL);
  uint8_t* at = map(dom0, 1, gref);
  EXPECT_NE(at, nullptr);
  EXPECT_EQ(xengnttab_unmap(dom0.gnttab, at, 1), 0);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, own, 1), 0);
}

TEST_F(LibraryTest, EveryThirdSegmentFails) {
  uint32_t gref = 0;
  uint8_t* own = share(guest, 0, gref);
  ASSERT_EQ(TestWorld::command("fault copy-segment every 3"), 0);
  std::vector<int16_t> statuses;
  uint8_t byte = 0;
  for (int i = 0; i < 6; ++i) statuses.push_back(copy_out(dom0.gnttab, 1, gref, &byte, 1));
  EXPECT_EQ(statuses, (std::vector<int16_t>{0, 0, -1, 0, 0, -1}));
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, own, 1), 0);
}

TEST_F(LibraryTest, FaultAfterTwoAndOnlyInOneDomain) {
  ASSERT_EQ(TestWorld::command("fault bind-unbound after 2 --domain 1"), 0);
  std::vector<bool> worked;
  for (int i = 0; i < 4; ++i) worked.push_back(xenevtchn_bind_unbound_port(guest.evtchn, 0) > 0);
  EXPECT_EQ(worked, (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_GT(xenevtchn_bind_unbound_port(dom0.evtchn, 1), 0);
}

TEST_F(LibraryTest, EveryCallIsCounted) {
  TestWorld::output("counts --reset");
  uint32_t gref = 0;
  uint8_t* own = share(guest, 0, gref);
  uint8_t bytes[100];
  for (int i = 0; i < 5; ++i) EXPECT_EQ(copy_out(dom0.gnttab, 1, gref, bytes, 100), GNTST_okay);
  const int port = xenevtchn_bind_unbound_port(guest.evtchn, 0);
  for (int i = 0; i < 3; ++i) xenevtchn_notify(guest.evtchn, static_cast<evtchn_port_t>(port));
  const auto counts = nlohmann::json::parse(TestWorld::output("counts --json"));
  EXPECT_EQ(counts["0"]["copy"], 5);
  EXPECT_EQ(counts["0"]["copy-segment"], 5);
  EXPECT_EQ(counts["0"]["copy-byte"], 500);
  EXPECT_EQ(counts["1"]["share-page"], 1);
  EXPECT_EQ(counts["1"]["bind-unbound"], 1);
  EXPECT_EQ(counts["1"]["notify"], 3);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, own, 1), 0);
}

TEST_F(LibraryTest, LimitOfSharedPages) {
  ASSERT_EQ(TestWorld::command("limit 3 --domain 1"), 0);
  uint32_t refs[4];
  void* three = xengntshr_share_pages(guest.gntshr, 0, 3, refs, 1);
  EXPECT_NE(three, nullptr);
  EXPECT_EQ(xengntshr_share_pages(guest.gntshr, 0, 1, refs, 1), nullptr);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, three, 3), 0);
  void* one = xengntshr_share_pages(guest.gntshr, 0, 1, refs, 1);
  EXPECT_NE(one, nullptr);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, one, 1), 0);
  ASSERT_EQ(TestWorld::command("limit 1024"), 0);
}

TEST_F(LibraryTest, DelayedEventArrives) {
  const int port = xenevtchn_bind_unbound_port(guest.evtchn, 0);
  const int own = xenevtchn_bind_interdomain(dom0.evtchn, 1, static_cast<evtchn_port_t>(port));
  ASSERT_EQ(TestWorld::command("delay events 2000"), 0);
  EXPECT_EQ(xenevtchn_notify(dom0.evtchn, static_cast<evtchn_port_t>(own)), 0);
  EXPECT_EQ(wait_event(guest.evtchn), port);
  ASSERT_EQ(TestWorld::command("delay events 0"), 0);
}

TEST_F(LibraryTest, DeathOfAParentIsSeenWhileItsChildLives) {
  const int port = xenevtchn_bind_unbound_port(dom0.evtchn, 1);
  int child_ends[2];
  ASSERT_EQ(::pipe(child_ends), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Handles own(1);
    const int bound = xenevtchn_bind_interdomain(own.evtchn, 0, static_cast<evtchn_port_t>(port));
    if (bound > 0 && ::fork() == 0) {
      // Without exec: holds copies of every descriptor of its parent, and must not count as the parent.
      char byte = 0;
      ::close(child_ends[1]);
      [[maybe_unused]] const ssize_t got = ::read(child_ends[0], &byte, 1);
      ::_exit(0);
    }
    ::_exit(bound > 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  ASSERT_EQ(status, 0);
  int again = -1;
  for (int i = 0; i < 100'000 && again < 0; ++i)
    again = xenevtchn_bind_interdomain(guest.evtchn, 0, static_cast<evtchn_port_t>(port));
  EXPECT_GT(again, 0);
  ::close(child_ends[1]);
  ::close(child_ends[0]);
}

TEST_F(LibraryTest, ForkedChildOpensItsOwnHandles) {
  uint32_t gref = 0;
  uint8_t* own = share(guest, 0, gref);
  own[0] = 3;
  const pid_t child = ::fork();
  if (child == 0) {
    const bool inherited_refuses = map(dom0, 1, gref) == nullptr;
    xengnttab_handle* fresh = xengnttab_open(nullptr, 0);
    const auto* at = static_cast<uint8_t*>(xengnttab_map_grant_ref(fresh, 1, gref, PROT_READ));
    ::_exit(inherited_refuses && at != nullptr && at[0] == 3 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(xengntshr_unshare(guest.gntshr, own, 1), 0);
}

TEST_F(LibraryTest, KilledDomainIsGoneAndItsNumberStartsAfresh) {
  ASSERT_EQ(TestWorld::command("create 7"), 0);
  uint32_t gref = 0;
  uint8_t* at = nullptr;
  int port = -1;
  {
    Handles victim(7);
    uint8_t* own = share(victim, 0, gref);
    own[9] = 99;
    at = map(dom0, 7, gref);
    const int theirs = xenevtchn_bind_unbound_port(victim.evtchn, 0);
    port = xenevtchn_bind_interdomain(dom0.evtchn, 7, static_cast<evtchn_port_t>(theirs));
    ASSERT_GT(port, 0);
    ASSERT_EQ(TestWorld::command("kill 7 --only-hypervisor"), 0);
    EXPECT_EQ(share(victim, 0, gref), nullptr) << "its handles are dead";
  }
  EXPECT_EQ(at[9], 99);
  uint8_t byte = 0;
  EXPECT_EQ(map(dom0, 7, gref), nullptr);
  EXPECT_EQ(copy_out(dom0.gnttab, 7, gref, &byte, 1), GNTST_bad_domain);
  EXPECT_EQ(xenevtchn_notify(dom0.evtchn, static_cast<evtchn_port_t>(port)), 0);
  EXPECT_EQ(xengnttab_unmap(dom0.gnttab, at, 1), 0);

  ASSERT_EQ(TestWorld::command("create 7"), 0);
  EXPECT_EQ(copy_out(dom0.gnttab, 7, gref, &byte, 1), GNTST_general_error);
  Handles reborn(7);
  uint8_t* own = share(reborn, 0, gref);
  own[0] = 4;
  EXPECT_EQ(copy_out(dom0.gnttab, 7, gref, &byte, 1), GNTST_okay);
  EXPECT_EQ(byte, 4);
  EXPECT_EQ(TestWorld::command("kill 7 --only-hypervisor"), 0);
}

TEST_F(LibraryTest, LateCopyNeverReachesTheNextOwnersPage) {
  // Copiers go on with a reference that the owner takes back; its page is then shared with somebody else.
  std::atomic<uint32_t> target{0};
  std::atomic<bool> stop{false};
  const auto copier = [&] {
    const Handles own(0);
    uint8_t ones[4096];
    std::fill(std::begin(ones), std::end(ones), uint8_t{1});
    while (!stop) {
      xengnttab_grant_copy_segment_t segment{};
      segment.source.virt = ones;
      segment.dest.foreign = {target.load(), 0, 1};
      segment.len = sizeof ones;
      segment.flags = GNTCOPY_dest_gref;
      xengnttab_grant_copy(own.gnttab, 1, &segment);
    }
  };
  std::thread first(copier);
  std::thread second(copier);
  int dirty = 0;
  for (int round = 0; round < 500; ++round) {
    uint32_t gref = 0;
    uint8_t* granted = share(guest, 0, gref);
    target = gref;
    xengntshr_unshare(guest.gntshr, granted, 1);
    uint8_t* foreign = share(guest, kNobody, gref);
    for (int look = 0; look < 3; ++look)
      for (size_t i = 0; i < 4096; i += 64)
        dirty += __atomic_load_n(foreign + i, __ATOMIC_RELAXED) != 0 ? 1 : 0;
    xengntshr_unshare(guest.gntshr, foreign, 1);
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(dirty, 0);
}

TEST_F(LibraryTest, SixtyFourDomainsAtOnce) {
  for (uint32_t domid = 100; domid < 164; ++domid)
    ASSERT_EQ(TestWorld::command("create " + std::to_string(domid)), 0);
  for (uint32_t domid = 100; domid < 164; ++domid) {
    Handles each(domid);
    uint32_t gref = 0;
    uint8_t* own = share(each, 0, gref);
    ASSERT_NE(own, nullptr);
    own[0] = static_cast<uint8_t>(domid);
    uint8_t byte = 0;
    ASSERT_EQ(copy_out(dom0.gnttab, domid, gref, &byte, 1), GNTST_okay);
    EXPECT_EQ(byte, domid);
    const int port = xenevtchn_bind_unbound_port(each.evtchn, 0);
    const int bound = xenevtchn_bind_interdomain(dom0.evtchn, domid, static_cast<evtchn_port_t>(port));
    EXPECT_EQ(wait_event(dom0.evtchn), bound);
    EXPECT_EQ(xengntshr_unshare(each.gntshr, own, 1), 0);
  }
  for (uint32_t domid = 100; domid < 164; ++domid)
    ASSERT_EQ(TestWorld::command("kill " + std::to_string(domid) + " --only-hypervisor"), 0);
}

}  // namespace
}  // namespace hush::simxen

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::AddGlobalTestEnvironment(new hush::simxen::TestWorld);
  return RUN_ALL_TESTS();
}
