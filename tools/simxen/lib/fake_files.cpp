// The two files of /proc/xen that a store opens, and the limit that oxenstored raises. Only in the preloaded
// object.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string>

#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/wire/limits.hpp"

namespace hush::simxen {
namespace {

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));  // NOLINT: what dlsym is for
}

// Dom0's channel to the store, for whoever starts up as dom0's store.
int open_store_port() {
  const int fd = ::memfd_create("xsd_port", MFD_CLOEXEC);
  const std::string text = std::to_string(kStorePort);
  if (fd >= 0 && (::write(fd, text.data(), text.size()) < 0 || ::lseek(fd, 0, SEEK_SET) < 0)) return -1;
  return fd;
}

// Programs of dom0 reach the store through its socket, so nobody ever speaks through this page.
int open_store_page() {
  const int fd = ::memfd_create("xsd_kva", MFD_CLOEXEC);
  if (fd >= 0 && ::ftruncate(fd, kPageSize) != 0) return -1;
  return fd;
}

// -2: not one of ours.
int open_fake(const char* path) {
  if (std::strncmp(path, "/proc/xen/", 10) != 0) return -2;
  if (std::strcmp(path, "/proc/xen/xsd_port") == 0) return open_store_port();
  if (std::strcmp(path, "/proc/xen/xsd_kva") == 0) return open_store_page();
  return -2;
}

}  // namespace
}  // namespace hush::simxen

using namespace hush::simxen;  // NOLINT: the functions below are C names, nothing is exported by this

SIMXEN_VISIBLE int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (const int fd = open_fake(path); fd != -2) return fd;
  static auto* const real = next<int(const char*, int, ...)>("open");
  return real(path, flags, mode);
}

SIMXEN_VISIBLE int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (const int fd = open_fake(path); fd != -2) return fd;
  static auto* const real = next<int(const char*, int, ...)>("open64");
  return real(path, flags, mode);
}

// oxenstored raises its descriptor limit to a million and dies where that is forbidden: give it what is
// allowed.
SIMXEN_VISIBLE int setrlimit(__rlimit_resource_t resource, const rlimit* limit) noexcept {
  static auto* const real = next<int(__rlimit_resource_t, const rlimit*)>("setrlimit");
  const int result = real(resource, limit);
  if (result == 0 || errno != EPERM || resource != RLIMIT_NOFILE) return result;
  rlimit allowed{};
  if (::getrlimit(resource, &allowed) != 0) return -1;
  allowed.rlim_cur = std::min(limit->rlim_cur, allowed.rlim_max);
  return real(resource, &allowed);
}
