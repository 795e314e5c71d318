// A guest that was restored: its event channels are dead, and must be touched no more
// (common/xen/dead_channels.hpp).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <string_view>

#include "common/event/data_thread.hpp"
#include "common/unique_fd.hpp"
#include "common/xen/dead_channels.hpp"
#include "tests/support/fake_xen/world.hpp"
#include "tests/support/keepers.hpp"

namespace hush::event {
namespace {

using test::FakeXen;

// This program is a keeper too, before the test library looks at its arguments: glibc gives them here.
[[gnu::constructor]] void keep_if_told(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == xen::kKeepsDeadChannels) xen::keep_dead_channels();
}

class Restored : public ::testing::Test {
 protected:
  Restored() {
    xen_.reset();
    thread_ = *DataThread::start("test");
    dead_ = alloc();
  }
  EvtchnPort alloc() {
    return thread_->call([this] { return *thread_->alloc_unbound(test::kGuest, [this] { ++events_; }); });
  }
  Result<void> restore(const std::string& keeper) {
    return thread_->call([&] { return thread_->begin_anew(keeper); });
  }
  void expect_to_go_on() {
    const EvtchnPort port = alloc();
    xen_.kick_local(port.value);
    while (events_ == 0) thread_->call([] {});
    thread_->call([&] { thread_->unbind(port); });
  }

  FakeXen& xen_ = FakeXen::get();
  test::SwiftKeeper keeper_;
  std::unique_ptr<DataThread> thread_;
  EvtchnPort dead_{};
  std::atomic<int> events_ = 0;
};

TEST_F(Restored, ADeadPortIsNotUnbound) {
  ASSERT_TRUE(restore(keeper_.path()));
  // Its number is somebody else's now.
  xen_.bound[dead_.value] = {.remote = 1, .fd = -1};
  thread_->call([this] { thread_->unbind(dead_); });
  EXPECT_EQ(xen_.ports(), 1U);
}

TEST_F(Restored, ADeadPortIsNotTheOneThatSomebodyMadeSince) {
  const auto life = thread_->life();
  ASSERT_TRUE(restore(keeper_.path()));
  xen_.next_port = dead_.value;
  const EvtchnPort port = alloc();
  ASSERT_EQ(port, dead_);
  thread_->call([&] { thread_->unbind(dead_, life); });
  EXPECT_EQ(xen_.ports(), 1U);
  xen_.kick_local(port.value);
  while (events_ == 0) thread_->call([] {});
}

TEST_F(Restored, NewPortsWork) {
  ASSERT_TRUE(restore(keeper_.path()));
  EXPECT_EQ(xen_.ports(), 0U);
  expect_to_go_on();
  EXPECT_EQ(xen_.ports(), 0U);
}

TEST_F(Restored, WithoutAKeeperThePortsStayOpenHere) {
  // One that is not there, and one that is no keeper: it ends with what it was given.
  for (const auto& [keeper, why] :
       {std::pair{"/nowhere/hush-frontd", "start /nowhere/hush-frontd"},
        {"/bin/true", "/bin/true --keeps-dead-event-channels: it does not say"}}) {
    const std::size_t before = xen_.ports();
    const auto done = restore(keeper);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text.find(why), 0U) << done.error().text;
    EXPECT_EQ(xen_.ports(), before);
    thread_->call([this] { thread_->unbind(dead_); });
    EXPECT_EQ(xen_.ports(), before);
    dead_ = alloc();
  }
  expect_to_go_on();
}

TEST_F(Restored, WithoutAnotherHandleThePortsStayOpenHere) {
  xen_.deny_channels(true);
  ASSERT_FALSE(restore(keeper_.path()));
  thread_.reset();
  EXPECT_EQ(xen_.ports(), 1U);
}

// The real one, of this program: it has a copy of what it keeps and nothing else of ours.
TEST(KeeperOfDeadChannels, HasWhatItKeepsAndNothingElse) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);  // without O_CLOEXEC: it is for the keeper to close
  const UniqueFd from(ends[0]);
  UniqueFd kept(ends[1]);
  const auto keeper = xen::start_keeper_of_dead_channels(kept.get(), "/proc/self/exe");
  ASSERT_TRUE(keeper) << keeper.error().text;
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "this process has no child";
  EXPECT_EQ(errno, ECHILD);
  const std::string of_keeper = "/proc/" + std::to_string(*keeper) + "/";
  std::string name, environment;
  std::getline(std::ifstream(of_keeper + "comm") >> std::ws, name);
  EXPECT_EQ(name, "hush-dead-chans");
  std::getline(std::ifstream(of_keeper + "environ"), environment);
  EXPECT_EQ(environment, "");
  for (const auto& fd : std::filesystem::directory_iterator(of_keeper + "fd"))
    EXPECT_TRUE(fd.path().filename() == "3" || fd.path().filename() == "4") << fd.path();

  kept.reset();
  pollfd at{from.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&at, 1, 0), 0) << "it is open there";
  ASSERT_EQ(::kill(*keeper, SIGKILL), 0);
  EXPECT_EQ(::poll(&at, 1, -1), 1) << "its end";
  EXPECT_NE(at.revents & POLLHUP, 0);
}

// What ends a service ends all of its control group.
TEST(KeeperOfDeadChannels, IsInNoServicesControlGroup) {
  const auto groups_of = [](const std::string& process) {
    std::ifstream file("/proc/" + process + "/cgroup");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::filesystem::path v2("/sys/fs/cgroup/cgroup.procs"), v1("/sys/fs/cgroup/unified/cgroup.procs");
  const auto root = (std::filesystem::exists(v2) ? v2 : v1).parent_path();
  const auto service = root / ("hush-test-" + std::to_string(getpid()));
  std::error_code failed;
  if (!std::filesystem::create_directory(service, failed)) return;  // there are no control groups to leave
  // Of a child: this process stays where it is.
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd from(ends[0]), tells(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    std::ofstream(service / "cgroup.procs") << getpid() << std::flush;
    const auto keeper = xen::start_keeper_of_dead_channels(tells.get(), "/proc/self/exe");
    const pid_t pid = keeper ? *keeper : 0;
    (void)!::write(tells.get(), &pid, sizeof pid);
    ::pause();
  }
  pid_t keeper = 0;
  ASSERT_EQ(::read(from.get(), &keeper, sizeof keeper), static_cast<ssize_t>(sizeof keeper));
  ASSERT_GT(keeper, 0);
  EXPECT_NE(groups_of(std::to_string(child)).find("0::/hush-test-"), std::string::npos);
  EXPECT_NE(groups_of(std::to_string(keeper)).find("0::/\n"), std::string::npos)
      << groups_of(std::to_string(keeper));
  for (const pid_t pid : {keeper, child}) ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(std::filesystem::remove(service, failed)) << failed.message();
}

// Descriptors of an application, and those that are made for the keeper, may have the very numbers that the
// keeper's get: where standard input is closed, as a daemon's may be, the pipe has 0 and 3.
TEST(KeeperOfDeadChannels, HasItWhateverTheNumbersAreHere) {
  constexpr std::array kNumbers{0, 3, 4, 5};
  std::array<UniqueFd, kNumbers.size()> others;  // of the test program
  for (std::size_t i = 0; i < kNumbers.size(); ++i)
    others[i].reset(::fcntl(kNumbers[i], F_DUPFD_CLOEXEC, 10));
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd from(::fcntl(ends[0], F_DUPFD_CLOEXEC, 10)), kept(::fcntl(ends[1], F_DUPFD_CLOEXEC, 10));
  for (const int end : ends) ::close(end);
  for (const int number : {3, 4, 5}) {
    for (const int other : kNumbers) ::close(other);
    ASSERT_EQ(::dup3(kept.get(), number, O_CLOEXEC), number);
    const auto keeper = xen::start_keeper_of_dead_channels(number, "/proc/self/exe");
    ASSERT_TRUE(keeper) << number << ": " << keeper.error().text;
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(*keeper) + "/fd/3"),
              std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(kept.get())));
    ::kill(*keeper, SIGKILL);
  }
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    ::close(kNumbers[i]);
    if (others[i]) ::dup3(others[i].get(), kNumbers[i], kNumbers[i] == 0 ? 0 : O_CLOEXEC);
  }
}

}  // namespace
}  // namespace hush::event
