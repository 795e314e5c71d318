#include "common/xen/dead_channels.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "common/unique_fd.hpp"

namespace hush::xen {
namespace {

using Clock = std::chrono::steady_clock;
// Of the keeper's descriptors: what it keeps, and where it says so.
constexpr int kKept = 3, kTells = 4;
// A program of ours says so within milliseconds; another one may neither end nor say anything.
constexpr std::chrono::seconds kPatience{10};

// In a session of its own, with no signal that could come before it blocks them itself.
Result<pid_t> spawn(int fd, int tells, const std::string& program) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fd, kKept);  // and so they stay open over the exec
  posix_spawn_file_actions_adddup2(&files, tells, kTells);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &all);
  // systemd's shutdown leaves processes whose first argument begins so to the kernel.
  std::string name = "@" + program, keeps = kKeepsDeadChannels;
  char* const arguments[] = {name.data(), keeps.data(), nullptr};
  char* const environment[] = {nullptr};  // an application's may hold secrets
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, program.c_str(), &files, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  errno = failed;
  if (failed != 0) return errno_error("start " + program + " " + kKeepsDeadChannels);
  return pid;
}

// nullopt: its end came first, or nothing in time.
std::optional<pid_t> heard(int from) {
  const auto end = Clock::now() + kPatience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    pollfd at{from, POLLIN, 0};
    const int ready = ::poll(&at, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    pid_t pid = 0;
    if (ready <= 0 || ::read(from, &pid, sizeof pid) != sizeof pid) return {};
    return pid;
  }
}

}  // namespace

Result<pid_t> start_keeper_of_dead_channels(int fd, const std::string& program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("make a pipe");
  const UniqueFd from(ends[0]);
  UniqueFd near(ends[1]);
  // Not one of the numbers that it has there: the one would go over the other.
  UniqueFd tells(::fcntl(near.get(), F_DUPFD_CLOEXEC, kTells + 1));
  if (!tells) return errno_error("make a pipe");
  const auto started = spawn(fd, tells.get(), program);
  if (!started) return started.error();
  near.reset();
  tells.reset();  // its end is heard only when nobody else could say anything
  const auto keeper = heard(from.get());
  if (!keeper) ::kill(*started, SIGKILL);
  // The one that was started has ended: it is not left to an application that may wait for all its children.
  while (::waitpid(*started, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!keeper) return error(program + " " + kKeepsDeadChannels + ": it does not say that it keeps them");
  return *keeper;
}

namespace {

// A service manager that stops a service ends all of its control group. Who may not leave it (a container)
// stays.
void leave_service() {
  for (const char* const root : {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs",
                                 "/sys/fs/cgroup/systemd/cgroup.procs"}) {
    const UniqueFd group(::open(root, O_WRONLY | O_CLOEXEC));
    if (group) (void)!::write(group.get(), "0", 1);  // the writer itself
  }
}

}  // namespace

void keep_dead_channels() {
  prctl(PR_SET_NAME, "hush-dead-chans");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  if (fork() != 0) _exit(0);
  if (chdir("/") != 0) _exit(1);
  leave_service();
  for (int fd = 0; fd < kKept; ++fd) close(fd);
  closefrom(kTells + 1);
  const pid_t self = getpid();
  (void)!write(kTells, &self, sizeof self);
  close(kTells);
  for (;;) pause();
}

}  // namespace hush::xen
