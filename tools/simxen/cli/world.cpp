// up, down, and the server process between them.
#include <fcntl.h>
#include <poll.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tools/simxen/cli/client.hpp"
#include "tools/simxen/cli/commands.hpp"
#include "tools/simxen/cli/failure.hpp"
#include "tools/simxen/cli/toolstack.hpp"
#include "tools/simxen/server/processes.hpp"
#include "tools/simxen/server/server.hpp"

namespace hush::simxen {
namespace {

namespace fs = std::filesystem;

std::string last_line(const std::string& path) {
  std::ifstream file(path);
  std::string last = "(empty)";
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) last = line;
  return last;
}

// Kills and waits until each is gone. By process descriptor: a number may be somebody else's by then.
void end_processes(const World& world) {
  for (;;) {
    const auto pids = processes_started_in(world);
    if (pids.empty()) return;
    for (const pid_t pid : pids) {
      const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      if (!process) continue;
      ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
      pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
      ::poll(&ended, 1, -1);
    }
  }
}

void remove_files(const World& world) {
  std::error_code error;
  for (const std::string& path : {world.socket(), world.server_pid(), world.store_pid(), world.server_log(),
                                  world.store_log(), world.dir + "/oxenstored.conf"})
    fs::remove(path, error);
  for (const std::string& path : {world.store_dir(), world.host_dir()}) fs::remove_all(path, error);
  for (const auto& entry : fs::directory_iterator(world.dir, error))
    if (entry.path().filename().string().compare(0, 7, "xenbus.") == 0) fs::remove(entry.path(), error);
}

bool has_leftovers(const World& world) {
  return fs::exists(world.server_pid()) || fs::exists(world.store_dir()) ||
         !processes_started_in(world).empty();
}

void start_server(const World& world, const std::string& store) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0)
    throw Failure(std::string("cannot make a pipe: ") + std::strerror(errno));
  UniqueFd ready_read(ready[0]);
  UniqueFd ready_write(ready[1]);
  const pid_t pid = ::fork();
  if (pid < 0) throw Failure(std::string("cannot start the server: ") + std::strerror(errno));
  if (pid == 0) {
    ::setsid();
    // The server is nobody's child: 'up' ends before it does.
    if (::fork() != 0) ::_exit(0);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const int log = ::open(world.server_log().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(log < 0 ? nothing : log, STDERR_FILENO);
    ::fcntl(ready_write.get(), F_SETFD, 0);
    const std::string fd = std::to_string(ready_write.get());
    ::setenv(kStartedIn, started_in(world, 0).c_str(), 1);
    ::execl("/proc/self/exe", "simxen", "--dir", world.dir.c_str(), "serve", "--store", store.c_str(),
            "--ready-fd", fd.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::waitpid(pid, nullptr, 0);
  ready_write.reset();
  char byte = 0;
  ssize_t got = -1;
  do {
    got = ::read(ready_read.get(), &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) throw Failure("the server did not start: " + last_line(world.server_log()));
}

}  // namespace

int serve(const World& world, const std::string& store, int ready_fd) {
  spdlog::set_default_logger(spdlog::stderr_logger_st("simxen"));
  spdlog::set_pattern("%H:%M:%S.%e %l %v");
  Server server(world);
  if (!server.start(store, preload_library(false))) return kFailed;
  std::ofstream(world.server_pid()) << ::getpid() << "\n";
  if (ready_fd >= 0) {
    const char byte = 1;
    if (::write(ready_fd, &byte, 1) != 1) spdlog::warn("nobody waits for this server");
    ::close(ready_fd);
  }
  server.run();
  return 0;
}

int up(const World& world, const std::string& store, uint32_t domains) {
  if (store != "xenstored" && store != "oxenstored")
    throw Failure("there is no store '" + store + "'; --store takes xenstored or oxenstored", kBadArguments);
  if (world.xenbus(kDomids).size() >= sizeof(sockaddr_un::sun_path))
    throw Failure(
        "the path " + world.dir + " is too long for a socket in it; choose a shorter one with --dir",
        kBadArguments);
  std::error_code error;
  fs::create_directories(world.dir, error);
  if (error)
    throw Failure("cannot make the directory " + world.dir + ": " + error.message() +
                  "; choose another with --dir");
  if (Client::answers(world))
    throw Failure("a world is up in " + world.dir + " already; 'simxen down --dir " + world.dir +
                  "' ends it, --dir makes another beside it");
  if (has_leftovers(world)) {
    end_processes(world);
    remove_files(world);
    std::cerr << "simxen: cleared what an earlier run left in " << world.dir << "\n";
  }
  fs::create_directories(world.store_dir(), error);
  fs::create_directories(world.host_dir(), error);
  try {
    start_server(world, store);
    Client client(world);
    client.ask({.op = Op::wait_store}, "start " + store + " (its log, " + world.store_log() +
                                           ", ends: " + last_line(world.store_log()) + ")");
    Toolstack(world).describe_dom0();
    for (uint32_t domid = 1; domid <= domains; ++domid) create(world, std::to_string(domid), {});
  } catch (const Failure& failure) {
    const std::string why = failure.what();
    const std::string store_said = fs::exists(world.store_log()) ? last_line(world.store_log()) : "(nothing)";
    end_processes(world);
    remove_files(world);
    throw Failure(why + "; the store's log ended: " + store_said, failure.exit_status);
  }
  std::cout << "simxen: up in " << world.dir << ": " << store << ", dom0"
            << (domains == 0 ? "" : " and " + std::to_string(domains) + " domains") << "\n";
  return 0;
}

int down(const World& world) {
  if (Client::answers(world)) {
    Client client(world);
    client.try_ask({.op = Op::shutdown});
    client.wait_for_end();
  } else if (!has_leftovers(world)) {
    std::cout << "simxen: no world in " << world.dir << "\n";
    return 0;
  }
  end_processes(world);
  remove_files(world);
  std::error_code error;
  fs::remove(world.dir, error);  // only when nothing else lies there
  return 0;
}

}  // namespace hush::simxen
