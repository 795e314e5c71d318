#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "common/xen/c_api.hpp"
#include "tests/support/fake_xen/world.hpp"

using hush::test::FakeXen;
using Lock = std::lock_guard<std::mutex>;

namespace {

int fd_of(xenevtchn_handle* handle) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(handle)) - 1;
}
void set_pending(FakeXen& world, std::uint32_t port) {
  FakeXen::Port& at = world.bound[port];
  if (at.masked)
    at.held = true;
  else if (world.pending[at.fd].insert(port).second)
    eventfd_write(at.fd, 1);
}

}  // namespace

namespace hush::test {

std::uint32_t FakeXen::offer_port() {
  const Lock lock(mutex);
  offered.insert(next_port);
  return next_port++;
}
void FakeXen::kick(std::uint32_t port) {
  const Lock lock(mutex);
  for (const auto& [local, at] : bound)
    if (at.remote == port) set_pending(*this, local);
}
void FakeXen::kick_local(std::uint32_t port) {
  const Lock lock(mutex);
  if (bound.contains(port)) set_pending(*this, port);
}
void FakeXen::deny_channels(bool denied) {
  const Lock lock(mutex);
  may_open_channels = !denied;
}
std::size_t FakeXen::ports() {
  const Lock lock(mutex);
  return bound.size();
}
std::uint64_t FakeXen::notifies() {
  const Lock lock(mutex);
  return notify_count;
}

}  // namespace hush::test

extern "C" {

// A handle is its descriptor and one, so that it is never null.
xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (!world.may_open_channels) return errno = EMFILE, nullptr;
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return reinterpret_cast<xenevtchn_handle*>(static_cast<std::intptr_t>(fd) + 1);
}
int xenevtchn_close(xenevtchn_handle* handle) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  const int fd = fd_of(handle);
  std::erase_if(world.bound, [fd](const auto& entry) { return entry.second.fd == fd; });
  world.pending.erase(fd);
  return close(fd);
}
int xenevtchn_fd(xenevtchn_handle* handle) {
  return fd_of(handle);
}
int xenevtchn_bind_interdomain(xenevtchn_handle* handle, std::uint32_t domid, evtchn_port_t remote) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (world.fails() || domid != hush::test::kGuest.value || world.offered.erase(remote) == 0)
    return errno = EINVAL, -1;
  const std::uint32_t local = world.next_port++;
  world.bound[local] = {remote, fd_of(handle)};
  set_pending(world, local);  // as Xen does
  return static_cast<int>(local);
}
int xenevtchn_bind_unbound_port(xenevtchn_handle* handle, std::uint32_t) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (world.fails()) return errno = ENOSPC, -1;
  const std::uint32_t local = world.next_port++;
  world.bound[local] = {0, fd_of(handle)};  // no port of this world's guest is 0
  return static_cast<int>(local);
}
int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  const auto found = world.bound.find(port);
  if (found == world.bound.end()) return errno = EINVAL, -1;
  world.offered.insert(found->second.remote);  // the guest's end is unbound again
  world.bound.erase(found);
  world.pending[fd_of(handle)].erase(port);
  return 0;
}
int xenevtchn_notify(xenevtchn_handle*, evtchn_port_t port) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (world.fails() || !world.bound.contains(port)) return errno = EINVAL, -1;
  ++world.notify_count;
  return 0;
}
int xenevtchn_pending(xenevtchn_handle* handle) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  auto& ports = world.pending[fd_of(handle)];
  eventfd_t ignored;
  if (ports.empty()) return eventfd_read(fd_of(handle), &ignored), errno = EAGAIN, -1;
  const std::uint32_t port = *ports.begin();
  ports.erase(ports.begin());
  if (ports.empty()) eventfd_read(fd_of(handle), &ignored);  // readable while one is pending, no longer
  world.bound[port].masked = true;
  return static_cast<int>(port);
}
int xenevtchn_unmask(xenevtchn_handle*, evtchn_port_t port) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  const auto found = world.bound.find(port);
  if (found == world.bound.end()) return errno = EINVAL, -1;
  found->second.masked = false;
  if (found->second.held) set_pending(world, port);
  found->second.held = false;
  return 0;
}

}  // extern "C"
