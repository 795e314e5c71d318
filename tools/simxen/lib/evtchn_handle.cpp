#include "tools/simxen/lib/evtchn_handle.hpp"

#include <sys/epoll.h>
#include <unistd.h>

xenevtchn_handle::~xenevtchn_handle() {
  for (uint32_t port = 0; port < kMaxPorts; ++port) remove(port);
  if (epoll >= 0) ::close(epoll);
}

xenevtchn_handle::Port* xenevtchn_handle::find(uint32_t port) const {
  if (port >= kMaxPorts || ports[port].receive.load(std::memory_order_acquire) < 0) return nullptr;
  return &ports[port];
}

bool xenevtchn_handle::add(uint32_t port, hush::UniqueFd receive, hush::UniqueFd notify) {
  if (port >= kMaxPorts) return false;
  const std::lock_guard lock(mutex);
  ports[port].notify.store(notify.release());
  const int fd = receive.release();
  ports[port].receive.store(fd, std::memory_order_release);
  epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.u32 = port}};
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void xenevtchn_handle::remove(uint32_t port) {
  const std::lock_guard lock(mutex);
  const int receive = ports[port].receive.exchange(-1);
  const int notify = ports[port].notify.exchange(-1);
  if (receive >= 0) {
    // The server holds the eventfd too, so closing our descriptor alone would leave it in the set.
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, receive, nullptr);
    ::close(receive);
  }
  if (notify >= 0) ::close(notify);
}
