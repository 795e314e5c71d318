// libxenevtchn.
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "tools/simxen/lib/evtchn_handle.hpp"
#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/lib/xen_api.hpp"

namespace hush::simxen {
namespace {

int fail(int reason) {
  errno = reason;
  return -1;
}

bool allowed(const xenevtchn_handle* handle, uint32_t domid) {
  const int64_t only = handle->restricted_to.load();
  return only < 0 || static_cast<uint32_t>(only) == domid;
}

// Counted, refused on purpose, or impossible for a handle that a fork left behind.
int refuse(xenevtchn_handle* handle, Primitive primitive, int fault) {
  Connection& connection = Connection::instance();
  connection.count(handle->domid, primitive);
  if (!handle->alive()) return fail(EBADF);
  return connection.fails(handle->domid, primitive) ? fail(fault) : 0;
}

int bind(xenevtchn_handle* handle, Request request) {
  request.handle = handle->id;
  request.as = handle->domid;
  ipc::Packet packet;
  Reply reply;
  if (!Connection::instance().ask(request, packet, reply)) return -1;
  if (packet.fds.size() != 2 || !handle->add(reply.value, std::move(packet.fds[0]), std::move(packet.fds[1])))
    return fail(EIO);
  return static_cast<int>(reply.value);
}

xenevtchn_handle* make_handle(int epoll) {
  auto* handle = new xenevtchn_handle;
  handle->epoll = epoll;
  handle->domid = acting_domid();
  handle->generation = Connection::instance().generation();
  return handle;
}

// Ports bound before an exec: the server still has them, the old epoll set is of no use without their
// descriptors.
bool adopt_ports(xenevtchn_handle* handle) {
  for (uint32_t first = 0;;) {
    ipc::Packet packet;
    Reply reply;
    const Request request{.op = Op::adopt_handle, .handle = handle->id, .as = handle->domid, .port = first};
    if (!Connection::instance().ask(request, packet, reply)) return false;
    const auto ports = packet.items<Reply, uint32_t>();
    if (packet.fds.size() != 2 * ports.size()) return false;
    for (size_t i = 0; i < ports.size(); ++i) {
      if (!handle->add(ports[i], std::move(packet.fds[2 * i]), std::move(packet.fds[2 * i + 1])))
        return false;
      first = ports[i] + 1;
    }
    if (ports.size() < kPortsPerAdopt) return true;
  }
}

}  // namespace
}  // namespace hush::simxen

using namespace hush::simxen;  // NOLINT: the functions below are C names, nothing is exported by this

SIMXEN_VISIBLE xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned int flags) {
  if ((flags & ~static_cast<unsigned>(XENEVTCHN_NO_CLOEXEC)) != 0) {
    errno = EINVAL;
    return nullptr;
  }
  Connection& connection = Connection::instance();
  if (!connection.open()) return nullptr;
  const bool keep = (flags & XENEVTCHN_NO_CLOEXEC) != 0;
  const int epoll = ::epoll_create1(keep ? 0 : EPOLL_CLOEXEC);
  if (epoll < 0) return nullptr;
  xenevtchn_handle* handle = make_handle(epoll);
  // A kept handle is found again after the exec by the number of its descriptor, which the program passes on.
  handle->id = keep ? kKeptHandle | static_cast<uint32_t>(epoll) : connection.new_handle();
  if (keep) connection.survive_exec();
  return handle;
}

SIMXEN_VISIBLE xenevtchn_handle* xenevtchn_fdopen(xentoollog_logger*, int fd, unsigned open_flags) {
  if (open_flags != 0 || fd < 0) {
    errno = EINVAL;
    return nullptr;
  }
  Connection& connection = Connection::instance();
  if (!connection.open()) return nullptr;
  const int fresh = ::epoll_create1(0);
  if (fresh < 0 || ::dup2(fresh, fd) < 0) return nullptr;
  ::close(fresh);
  xenevtchn_handle* handle = make_handle(fd);
  handle->id = kKeptHandle | static_cast<uint32_t>(fd);
  if (!adopt_ports(handle)) {
    const int reason = errno;
    handle->epoll = -1;
    delete handle;
    errno = reason;
    return nullptr;
  }
  connection.survive_exec();
  return handle;
}

SIMXEN_VISIBLE int xenevtchn_close(xenevtchn_handle* handle) {
  if (handle == nullptr) return 0;
  const bool alive = handle->alive();
  const uint32_t id = handle->id;
  delete handle;
  return !alive || Connection::instance().ask({.op = Op::close_handle, .handle = id}) ? 0 : -1;
}

SIMXEN_VISIBLE int xenevtchn_fd(xenevtchn_handle* handle) {
  return handle->epoll;
}

SIMXEN_VISIBLE int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) {
  if (refuse(handle, Primitive::notify, ENOTCONN) != 0) return -1;
  const xenevtchn_handle::Port* found = handle->find(port);
  if (found == nullptr) return fail(ENOTCONN);
  const uint32_t delay = Connection::instance().event_delay_us();
  if (delay != 0) {
    Request request{.op = Op::notify_later, .handle = handle->id, .as = handle->domid, .count = delay};
    request.port = port;
    return Connection::instance().ask(request) ? 0 : -1;
  }
  const uint64_t one = 1;
  // A full counter is a pending event already; a port without a peer has nobody to tell. Both are success on
  // Xen.
  [[maybe_unused]] const ssize_t written = ::write(found->notify.load(), &one, sizeof one);
  return 0;
}

SIMXEN_VISIBLE xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle* handle,
                                                                     uint32_t domid) {
  if (refuse(handle, Primitive::bind_unbound, ENOSPC) != 0) return -1;
  if (!allowed(handle, domid)) return fail(EACCES);
  return bind(handle, {.op = Op::bind_unbound, .domid = domid});
}

SIMXEN_VISIBLE xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t domid,
                                                                    evtchn_port_t remote_port) {
  if (refuse(handle, Primitive::bind_interdomain, ENOSPC) != 0) return -1;
  if (!allowed(handle, domid)) return fail(EACCES);
  return bind(handle, {.op = Op::bind_interdomain, .domid = domid, .port = remote_port});
}

SIMXEN_VISIBLE xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle* handle, unsigned int virq) {
  if (refuse(handle, Primitive::bind_virq, ENOSPC) != 0) return -1;
  if (handle->restricted_to.load() >= 0) return fail(EACCES);
  return bind(handle, {.op = Op::bind_virq, .port = virq});
}

SIMXEN_VISIBLE int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  if (refuse(handle, Primitive::unbind, EINVAL) != 0) return -1;
  if (port >= xenevtchn_handle::kMaxPorts) return fail(EINVAL);
  if (handle->find(port) == nullptr) return fail(ENOTCONN);
  handle->remove(port);
  Request request{.op = Op::unbind, .handle = handle->id, .as = handle->domid};
  request.port = port;
  return Connection::instance().ask(request) ? 0 : -1;
}

SIMXEN_VISIBLE xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  if (refuse(handle, Primitive::pending, EIO) != 0) return -1;
  for (;;) {
    const int flags = ::fcntl(handle->epoll, F_GETFL);
    epoll_event event{};
    const int got = ::epoll_wait(handle->epoll, &event, 1, (flags & O_NONBLOCK) != 0 ? 0 : -1);
    if (got < 0) return -1;
    if (got == 0) return fail(EAGAIN);
    const xenevtchn_handle::Port* found = handle->find(event.data.u32);
    uint64_t count = 0;
    if (found != nullptr && ::read(found->receive.load(), &count, sizeof count) == sizeof count)
      return static_cast<int>(event.data.u32);
  }
}

SIMXEN_VISIBLE int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) {
  if (refuse(handle, Primitive::unmask, EIO) != 0) return -1;
  // As on Linux: unmasking a port that is not bound here is ignored, not refused.
  const xenevtchn_handle::Port* found = handle->find(port);
  if (found == nullptr) return 0;
  epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.u32 = port}};
  return ::epoll_ctl(handle->epoll, EPOLL_CTL_MOD, found->receive.load(), &event);
}

SIMXEN_VISIBLE int xenevtchn_restrict(xenevtchn_handle* handle, domid_t domid) {
  if (handle->restricted_to.load() >= 0) return fail(EACCES);
  if (domid == 0 || domid >= DOMID_FIRST_RESERVED) return fail(EINVAL);
  handle->restricted_to.store(domid);
  return 0;
}
