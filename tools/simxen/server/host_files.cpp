#include "tools/simxen/server/host_files.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "common/unique_fd.hpp"

namespace hush::simxen {
namespace {

constexpr const char* kPaths[] = {"/var/lib/xen", "/var/log/xen", "/run/xen", "/run/xenstored"};

bool own_mounts() {
  // Slave, not private: what the machine mounts later (a new network namespace's file) still shows.
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_SLAVE | MS_REC, nullptr) == 0;
}

}  // namespace

bool enter_host_files(const World& world) {
  if (!own_mounts()) return false;
  bool all = true;
  for (const std::string path : kPaths) {
    // /run/xenstored is where oxenstored makes its socket, whatever it is told.
    std::string ours = path == "/run/xenstored" ? world.store_dir() : world.host_dir() + path;
    std::error_code error;
    std::filesystem::create_directories(ours, error);
    std::filesystem::create_directories(path, error);
    all = ::mount(ours.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0 && all;
  }
  return all;
}

bool enter_netns(const std::string& name) {
  const UniqueFd netns(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns || ::setns(netns.get(), CLONE_NEWNET) != 0) return false;
  if (!own_mounts()) return false;
  ::umount2("/sys", MNT_DETACH);
  return ::mount(name.c_str(), "/sys", "sysfs", 0, nullptr) == 0;
}

}  // namespace hush::simxen
