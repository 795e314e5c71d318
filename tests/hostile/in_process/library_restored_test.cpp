// An application's vif in a guest that is saved and restored: its event channel is dead and must be touched
// no more (common/xen/dead_channels.hpp), and all goes on by another one.
#include <fcntl.h>
#include <sys/eventfd.h>

#include "common/unique_fd.hpp"
#include "tests/hostile/in_process/library_fixture.hpp"
#include "tests/support/keepers.hpp"

namespace hush {
namespace {

class LibraryRestored : public Library {
 public:
  LibraryRestored() { keeper_ = swift_keeper_.path(); }
  ~LibraryRestored() override {
    vif_.reset();
    for (const std::uint32_t port : dead_) {
      EXPECT_TRUE(xen_.bound.contains(port)) << "the number of a dead port is another's, and was unbound";
      xen_.bound.erase(port);
    }
    if (handle_ >= 0 && is_open(handle_)) ::close(handle_);
  }

  // The guest is another domain, with a new device; the number of its port is soon somebody else's.
  void restore(const std::string& domid = "9") {
    dead_.push_back(port());
    handle_ = xen_.bound[port()].fd;
    copy_ = UniqueFd(::fcntl(handle_, F_DUPFD_CLOEXEC, 0));  // the keeper's
    xen_.bound[port()] = {.remote = 1, .fd = -1};
    xen_.write("domid", domid);
    xen_.remove("data");
    xen_.remove("device/vif/0");
    back("state", "2");
    make_device();
  }
  void expect_frames_and_events() {
    area::Frame frame;
    settle();
    ASSERT_TRUE(vif_->may_wait());
    EXPECT_TRUE(give(60, 1));
    EXPECT_FALSE(readable());
    xen_.kick_local(port());
    EXPECT_TRUE(readable());
    vif_->step();
    ASSERT_TRUE(link().peek(frame));
    link().release();
    ASSERT_NE(link().reserve(60), nullptr);
    link().commit({.length = 60});
    link().publish();
    EXPECT_TRUE(in_->peek(frame));
  }
  static bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

  test::SwiftKeeper swift_keeper_;
  std::vector<std::uint32_t> dead_;  // ports
  int handle_ = -1;                  // that the last of them were of
  UniqueFd copy_;
};

TEST_F(LibraryRestored, ConnectsAgainByItself) {
  connect();
  const int fd = vif_->fd();
  restore();
  EXPECT_TRUE(readable());
  vif_->step();
  EXPECT_EQ(vif_->link(), nullptr);
  EXPECT_EQ(vif_->state(), DirectVif::State::waiting);
  EXPECT_NE(log_.find("this guest was restored: domain 3 is domain 9 now\n"), std::string::npos);
  EXPECT_EQ(log_.find("stay with this process"), std::string::npos) << log_;
  EXPECT_FALSE(is_open(handle_)) << "the keeper has it";
  const std::size_t shares = xen_.shares();
  accept();
  EXPECT_EQ(vif_->connects(), 2U);
  EXPECT_EQ(vif_->fd(), fd);
  EXPECT_EQ(xen_.shares(), shares);
  EXPECT_NE(port(), dead_.back());
  expect_frames_and_events();
}

TEST_F(LibraryRestored, AgainAndAgain) {
  connect();
  const int fd = vif_->fd();
  const std::size_t shares = xen_.shares();
  for (const std::string domid : {"9", "3", "4"}) {
    restore(domid);
    vif_->wait(-1ms);  // it is told to one that waits, too
    accept();
    EXPECT_EQ(xen_.shares(), shares) << "nothing of before is granted any more";
    expect_frames_and_events();
  }
  EXPECT_EQ(vif_->connects(), 4U);
  EXPECT_EQ(vif_->fd(), fd);
}

// As after a migration, where the number was free.
TEST_F(LibraryRestored, WithTheNumberThatItHad) {
  connect();
  restore("3");
  vif_->step();
  EXPECT_NE(log_.find("this guest was restored, with its number 3, or its xenstore began empty\n"),
            std::string::npos)
      << log_;
  EXPECT_FALSE(is_open(handle_)) << "the keeper has it";
  accept();
  expect_frames_and_events();
}

// Another program of the guest was first to notice.
TEST_F(LibraryRestored, WithTheWordOfItsNewLifeWritten) {
  connect();
  restore("3");
  xen_.write("data/hush-guest", "4711");
  vif_->step();
  EXPECT_FALSE(is_open(handle_)) << "the keeper has it";
  EXPECT_EQ(xen_.read("data/hush-guest"), "4711");
  accept();
  expect_frames_and_events();
}

// The area as it was in the middle of a write, since the pages of a guest are saved one after the other: no
// lie of the back end that is there now.
TEST_F(LibraryRestored, WhatItsMemoryHasNowIsNoLie) {
  connect();
  restore();
  page_->guest_rx.produced.store(3, std::memory_order_seq_cst);  // where no record can end
  area::Frame frame;
  ASSERT_FALSE(link().peek(frame));
  vif_->step();
  EXPECT_EQ(log_.find("cut off"), std::string::npos) << log_;
  EXPECT_EQ(vif_->state(), DirectVif::State::waiting);
  EXPECT_FALSE(is_open(handle_)) << "the keeper has it";
  accept();
  expect_frames_and_events();
}

TEST_F(LibraryRestored, ByTheRingsOfNetif) {
  back("feature-hush-area", "0");
  open();
  back("state", "4");
  vif_->step();
  ASSERT_NE(vif_->link(), nullptr);
  restore();
  vif_->step();
  EXPECT_EQ(vif_->link(), nullptr);
  ASSERT_EQ(front("state"), "4") << log_;
  back("state", "4");
  vif_->step();
  ASSERT_NE(vif_->link(), nullptr);
  EXPECT_EQ(link().path(), Link::Path::netif);
  EXPECT_FALSE(is_open(handle_));
}

TEST_F(LibraryRestored, TheDeadChannelWakesNobody) {
  connect();
  restore();
  vif_->step();
  accept();
  settle();
  // The keeper has the very file that was waited on.
  ASSERT_EQ(::eventfd_write(copy_.get(), 1), 0);
  EXPECT_FALSE(readable());
}

TEST_F(LibraryRestored, WithoutAKeeperItStaysOpenHereForEver) {
  keeper_ = "/nowhere/hush-frontd";
  connect();
  restore();
  vif_->step();
  EXPECT_NE(log_.find("the event channels of before stay with this process: start /nowhere/hush-frontd"),
            std::string::npos)
      << log_;
  accept();
  expect_frames_and_events();
  ASSERT_EQ(::eventfd_write(copy_.get(), 1), 0);
  settle();
  vif_.reset();
  EXPECT_TRUE(is_open(handle_));
}

// EMFILE, say. The port is left, and its handle is not used again.
TEST_F(LibraryRestored, WithoutAnotherHandleItTriesAgain) {
  connect();
  restore();
  xen_.deny_channels(true);
  vif_->step();
  EXPECT_EQ(vif_->state(), DirectVif::State::waiting);
  EXPECT_EQ(vif_->reason(), "no event channels but those of before the restore");
  EXPECT_EQ(front("state"), "1");
  EXPECT_TRUE(is_open(handle_));
  xen_.deny_channels(false);
  while (front("state") != "4") vif_->wait(-1ms);
  EXPECT_FALSE(is_open(handle_)) << "the keeper has it";
  accept();
  expect_frames_and_events();
}

TEST_F(LibraryRestored, WithoutAnotherHandleItEndsAndClosesNothing) {
  connect();
  restore();
  xen_.deny_channels(true);
  vif_->step();
  vif_.reset();
  EXPECT_TRUE(is_open(handle_));
}

TEST_F(LibraryRestored, ItMayEndBeforeItNoticed) {
  connect();
  restore();
  vif_.reset();
  EXPECT_FALSE(is_open(handle_)) << "the keeper has it";
}

TEST_F(LibraryRestored, AndTakeLeave) {
  connect();
  restore();
  EXPECT_TRUE(vif_->close(10s));
  EXPECT_EQ(xen_.shares(), 0U);
}

// The other way round: what is not dead is unbound, and costs no keeper.
TEST_F(LibraryRestored, ADeviceMadeAnewInTheSameGuestIsNoRestore) {
  connect();
  const std::uint32_t before = port();
  handle_ = xen_.bound[before].fd;
  xen_.remove("device/vif/0");
  back("state", "2");
  make_device();
  vif_->step();
  EXPECT_FALSE(xen_.bound.contains(before));
  accept();
  EXPECT_EQ(xen_.bound[port()].fd, handle_);
  handle_ = -1;
}

TEST_F(LibraryRestored, AChannelOfAfterARestoreIsNotDead) {
  back("state", "1");
  open();
  ASSERT_EQ(front("state"), "1");
  xen_.write("domid", "9");  // restored while nothing was shared
  back("state", "2");
  vif_->step();
  accept();
  const std::uint32_t alive = port();
  const int handle = xen_.bound[alive].fd;
  back("state", "6");
  vif_->step();
  EXPECT_FALSE(xen_.bound.contains(alive));
  EXPECT_TRUE(is_open(handle)) << "it is not left to a keeper";
}

}  // namespace
}  // namespace hush
