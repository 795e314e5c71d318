// hush-keeper: starts hush-backd, starts it again when it dies, and holds its descriptors meanwhile, where
// there is no systemd to do that. It speaks the part of systemd's protocols that
// common/telemetry/service_manager.hpp uses.
//
// One thread, and nothing in it that a guest could reach: what the program says over its socket is all that
// comes in.
#include <fcntl.h>
#include <poll.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "common/ipc/packet.hpp"
#include "common/result.hpp"
#include "dom0/keeper/kept.hpp"

namespace {

using namespace hush;
using Clock = std::chrono::steady_clock;

// One that dies at once is not started again at once.
constexpr auto kShortLife = std::chrono::seconds(1);
constexpr int kFirstPassed = 3;  // sd_listen_fds(3)

// Where the program says what it wants: in a folder of its own, so that nobody else can.
class Ear {
 public:
  static Result<Ear> open() {
    std::string folder = "/run/hush-keeper-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return errno_error("cannot make a folder in /run");
    Ear ear(std::move(folder));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ear.path().copy(address.sun_path, sizeof address.sun_path - 1);
    ear.fd_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!ear.fd_ || ::bind(ear.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return errno_error("cannot listen at " + ear.path());
    return ear;
  }
  Ear(Ear&&) = default;
  ~Ear() {
    if (!fd_) return;
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::string path() const { return folder_ + "/notify"; }

 private:
  explicit Ear(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
  UniqueFd fd_;
};

class Keeper {
 public:
  Keeper(std::vector<char*> command, Ear ear, UniqueFd signals, sigset_t before)
      : command_(std::move(command)), ear_(std::move(ear)), signals_(std::move(signals)), before_(before) {}

  // Until the program has ended for good; its exit status.
  Result<int> run() {
    for (;;) {
      const auto begun = Clock::now();
      if (auto done = start(); !done) return done.error();
      const int status = serve();
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
      const std::string how = WIFSIGNALED(status) ? std::string("killed by ") + strsignal(WTERMSIG(status))
                                                  : "status " + std::to_string(WEXITSTATUS(status));
      if (stopping_) return 1;
      spdlog::warn("{} ended ({}); started again with {} descriptors", command_[0], how, kept_.all().size());
      if (Clock::now() - begun < kShortLife && !rest()) return 1;
    }
  }

 private:
  Result<void> start() {
    std::vector<int> passed;
    std::string names;
    for (const auto& [name, fd] : kept_.all()) {
      names += (names.empty() ? "" : ":") + name;
      passed.push_back(fd.get());
    }
    pid_ = ::fork();
    if (pid_ < 0) return errno_error("fork");
    if (pid_ == 0) become(passed, names);
    return {};
  }

  [[noreturn]] void become(const std::vector<int>& passed, const std::string& names) const {
    // Those that lie where others are to go move out of the way first.
    std::vector<int> away;
    const int above = kFirstPassed + static_cast<int>(passed.size());
    for (const int fd : passed) away.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, above));
    for (std::size_t i = 0; i < away.size(); ++i) ::dup2(away[i], kFirstPassed + static_cast<int>(i));
    ::setenv("NOTIFY_SOCKET", ear_.path().c_str(), 1);
    if (!passed.empty()) {
      ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
      ::setenv("LISTEN_FDS", std::to_string(passed.size()).c_str(), 1);
      ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    }
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    ::execvp(command_[0], command_.data());
    spdlog::error("cannot start {}: {}", command_[0], std::strerror(errno));
    ::_exit(127);
  }

  // Until the program ends; its status.
  int serve() {
    for (;;) {
      std::array<pollfd, 2> wanted{{{ear_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
      (void)::poll(wanted.data(), wanted.size(), -1);
      hear_all();
      if (wanted[1].revents == 0) continue;
      if (const auto status = take_signals()) return *status;
    }
  }

  void hear_all() {
    ipc::Packet packet;
    while (ipc::receive_packet(ear_.fd(), packet, MSG_DONTWAIT)) {
      const std::string_view text(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
      const keeper::Wish wish = keeper::parse(text);
      if (wish.main_process > 0) follow(wish.main_process);
      if (auto done = kept_.act(wish, std::move(packet.fds)); !done) spdlog::warn("{}", done.error().text);
    }
  }

  // An upgrade: another process serves. It is our child too once the one before has ended
  // (PR_SET_CHILD_SUBREAPER).
  void follow(long long pid) {
    spdlog::info("process {} serves in the place of {}", pid, pid_);
    pid_ = static_cast<pid_t>(pid);
  }

  // The program's status, when it has ended.
  std::optional<int> take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGCHLD) continue;
      stopping_ = stopping_ || signal == SIGTERM || signal == SIGINT;
      ::kill(pid_, signal);
    }
    int status = 0;
    std::optional<int> ended;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      hear_all();  // what it said before it died, perhaps that another serves
      if (pid == pid_) ended = status;
    }
    return ended;
  }

  // A moment, unless it is told to stop.
  bool rest() {
    pollfd wanted{signals_.get(), POLLIN, 0};
    const auto end = Clock::now() + kShortLife;
    while (Clock::now() < end) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
      if (::poll(&wanted, 1, static_cast<int>(left.count())) <= 0) continue;
      signalfd_siginfo info{};
      while (::read(signals_.get(), &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) return false;
    }
    return true;
  }

  std::vector<char*> command_;
  Ear ear_;
  UniqueFd signals_;
  sigset_t before_;
  keeper::Kept kept_;
  pid_t pid_ = 0;
  bool stopping_ = false;
};

Result<int> keep(std::vector<char*> command) {
  // Whoever the program leaves behind is ours: a daemon that it started to take its place.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return errno_error("prctl");
  sigset_t wanted, before;
  sigemptyset(&wanted);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&wanted, signal);
  ::sigprocmask(SIG_BLOCK, &wanted, &before);
  UniqueFd signals(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals) return errno_error("cannot make a signalfd");
  auto ear = Ear::open();
  if (!ear) return ear.error();
  return Keeper(std::move(command), std::move(*ear), std::move(signals), before).run();
}

}  // namespace

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("hush-keeper"));
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(
        stderr,
        "Usage: hush-keeper PROGRAM [ARGUMENT...]\n"
        "Starts hush-backd, and again when it dies, and keeps its interfaces meanwhile. SIGTERM, SIGINT,\n"
        "SIGHUP and SIGUSR2 go to the program; it ends with it, where that ends with status 0.\n");
    return 2;
  }
  const auto status = keep({argv + 1, argv + argc + 1});
  if (status) return *status;
  spdlog::error("{}", status.error().text);
  return 1;
}
