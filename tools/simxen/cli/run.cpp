// Programs inside the world: run, env, and xl.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>

#include "tools/simxen/cli/client.hpp"
#include "tools/simxen/cli/commands.hpp"
#include "tools/simxen/cli/failure.hpp"
#include "tools/simxen/server/host_files.hpp"
#include "tools/simxen/server/processes.hpp"

namespace hush::simxen {
namespace {

constexpr const char* kXenPrograms = "/usr/lib/xen-4.17/bin";

std::string current(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::map<std::string, std::string> environment(const World& world, uint32_t domid, bool instrumented) {
  std::map<std::string, std::string> variables;
  variables["SIMXEN_DIR"] = world.dir;
  variables["SIMXEN_DOMID"] = std::to_string(domid);
  variables["XENSTORED_PATH"] = domid == 0 ? world.store_socket() : world.xenbus(domid);
  variables["XENSTORED_RUNDIR"] = world.store_dir();
  const std::string preload = preload_library(instrumented);
  const std::string before = current("LD_PRELOAD");
  const bool already = before.find(preload) != std::string::npos;
  variables["LD_PRELOAD"] = already || before.empty() ? preload : preload + ":" + before;
  // Debian's xl wrapper asks the running kernel for Xen's version: the program itself comes first in the
  // path.
  if (current("PATH").find(kXenPrograms) == std::string::npos)
    variables["PATH"] = std::string(kXenPrograms) + ":" + current("PATH");
  // A preloaded object comes before the sanitizer's runtime; that is what this object is meant to do.
  const std::string options = current("ASAN_OPTIONS");
  if (options.find("verify_asan_link_order") == std::string::npos)
    variables["ASAN_OPTIONS"] = options + (options.empty() ? "" : ":") + "verify_asan_link_order=0";
  return variables;
}

}  // namespace

std::string preload_library(bool instrumented) {
  // Beside the program in a build tree (bin/ and lib/), or where an installer put it.
  if (const std::string told = current("SIMXEN_PRELOAD"); !told.empty() && !instrumented) return told;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto library =
      self.parent_path().parent_path() / "lib" / (instrumented ? "libsimxen.so" : "libsimxen-preload.so");
  if (!std::filesystem::exists(library, error))
    throw Failure("the library " + library.string() +
                  " is missing; build the target simxen, or set SIMXEN_PRELOAD to where it is");
  return library.string();
}

int run(const World& world, const RunOptions& options, const std::vector<std::string>& command) {
  uint32_t domid = 0;
  {
    Client client(world);
    domid = client.domain(options.domain);
  }
  if (!options.netns.empty() && !enter_netns(options.netns))
    throw Failure("cannot enter the network namespace '" + options.netns + "': " + std::strerror(errno) +
                  "; 'ip netns list' shows those there are (root is needed)");
  // Programs of a guest would not see dom0's files either.
  if (domid == 0) enter_host_files(world);
  for (const auto& [name, value] : environment(world, domid, options.instrumented))
    ::setenv(name.c_str(), value.c_str(), 1);
  ::setenv(kStartedIn, started_in(world, domid).c_str(), 1);
  if (std::filesystem::path(command[0]).filename() == "xl") ::setenv(kToolstack, "1", 1);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  throw Failure("cannot run '" + command[0] + "': " + std::strerror(errno));
}

int print_environment(const World& world, const std::string& domain) {
  const uint32_t domid = Client(world).domain(domain);
  for (const auto& [name, value] : environment(world, domid, false))
    if (name != "ASAN_OPTIONS") std::cout << "export " << name << "='" << value << "'\n";
  return 0;
}

int xl(const World& world, const std::string& netns, const std::vector<std::string>& arguments) {
  const std::string program = std::string(kXenPrograms) + "/xl";
  if (::access(program.c_str(), X_OK) != 0)
    throw Failure(program + " is missing; install it: tools/setup demo (package xen-utils-4.17)");
  if (::geteuid() != 0)
    throw Failure("only root can run xl: it keeps files in /var/lib/xen; become root and try again");
  std::vector<std::string> command{program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(world, {.domain = "0", .netns = netns}, command);
}

int change_device(const World& world, const std::string& netns, std::vector<std::string> arguments) {
  arguments[1] = std::to_string(Client(world).domain(arguments[1]));
  return xl(world, netns, arguments);
}

}  // namespace hush::simxen
