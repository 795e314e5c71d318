#include "tools/simxen/server/store_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "tools/simxen/server/host_files.hpp"
#include "tools/simxen/server/processes.hpp"

namespace hush::simxen {
namespace {

std::string find_store(const std::string& store) {
  // Debian keeps the programs of each Xen version apart; 4.17 is the one whose ABI this library speaks.
  for (const std::string dir : {"/usr/lib/xen-4.17/bin/", "/usr/sbin/", "/usr/local/sbin/"})
    if (::access((dir + store).c_str(), X_OK) == 0) return dir + store;
  return {};
}

// OCaml's store reads its settings from a file; its limits are those that Debian ships, its files are ours.
std::string write_oxenstored_conf(const World& world) {
  const std::string path = world.dir + "/oxenstored.conf";
  std::ofstream(path) << "pid-file = " << world.store_pid() << "\n"
                      << "merge-activate = true\nquota-activate = true\nquota-maxentity = 8192\n"
                      << "quota-maxsize = 2048\nquota-maxwatch = 512\nquota-transaction = 10\n"
                      << "quota-maxrequests = 1024\nquota-path-max = 1024\npersistent = false\n"
                      << "xenstored-kva = /proc/xen/xsd_kva\nxenstored-port = /proc/xen/xsd_port\n";
  return path;
}

[[noreturn]] void become_store(const World& world, const std::string& program, const std::string& preload,
                               std::vector<std::string> arguments) {
  // Gone with the server, even when that is killed without a word.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int log = ::open(world.store_log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log >= 0) {
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
  }
  enter_host_files(world);
  ::setenv("LD_PRELOAD", preload.c_str(), 1);
  ::setenv("SIMXEN_DIR", world.dir.c_str(), 1);
  ::setenv("SIMXEN_DOMID", "0", 1);
  ::setenv(kToolstack, "1", 1);
  ::setenv("XENSTORED_RUNDIR", world.store_dir().c_str(), 1);
  ::setenv(kStartedIn, started_in(world, 0).c_str(), 1);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

}  // namespace

StoreProcess::~StoreProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool StoreProcess::start(const World& world, const std::string& store, const std::string& preload) {
  name_ = store;
  const std::string program = find_store(store);
  if (program.empty()) {
    errno = ENOENT;
    return false;
  }
  std::vector<std::string> arguments{program};
  if (store == "oxenstored")
    arguments.insert(arguments.end(), {"--no-fork", "--config-file", write_oxenstored_conf(world)});
  else
    arguments.emplace_back("-N");
  pid_ = ::fork();
  if (pid_ < 0) return false;
  if (pid_ == 0) become_store(world, program, preload, std::move(arguments));
  std::ofstream(world.store_pid()) << pid_ << "\n";
  return true;
}

bool StoreProcess::reap() {
  if (pid_ <= 0 || ::waitpid(pid_, &status_, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

std::string StoreProcess::how_it_ended() const {
  if (WIFSIGNALED(status_)) return "signal " + std::to_string(WTERMSIG(status_));
  return "exit status " + std::to_string(WEXITSTATUS(status_));
}

}  // namespace hush::simxen
