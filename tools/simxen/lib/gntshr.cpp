// libxengnttab, the producer's half: pages of this domain, granted to another.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "tools/simxen/lib/grant_handle.hpp"
#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/lib/xen_api.hpp"

namespace hush::simxen {
namespace {

void* share(xengntshr_handle* handle, uint32_t domid, int count, uint32_t* refs, bool writable,
            uint32_t offset, uint32_t port) {
  Connection& connection = Connection::instance();
  if (!handle->alive() || count <= 0) {
    errno = EINVAL;
    return nullptr;
  }
  connection.count(handle->domid, Primitive::share);
  if (connection.fails(handle->domid, Primitive::share)) {
    errno = ENOSPC;
    return nullptr;
  }
  const Request request{.op = Op::share,
                        .as = handle->domid,
                        .domid = domid,
                        .count = static_cast<uint32_t>(count),
                        .flags = writable ? kWritable : 0,
                        .port = port,
                        .offset = offset};
  ipc::Packet packet;
  Reply reply;
  if (!connection.ask(request, packet, reply)) return nullptr;
  const auto grefs = packet.items<Reply, uint32_t>();
  std::vector<GrantName> pages;
  pages.reserve(grefs.size());
  for (const uint32_t gref : grefs) pages.push_back({handle->domid, gref});
  const std::vector<uint32_t> incarnations(pages.size(), reply.value);
  void* at = pages.size() == static_cast<size_t>(count)
                 ? map_pages(pages, incarnations, PROT_READ | PROT_WRITE)
                 : nullptr;
  if (at == nullptr) {
    const int reason = errno;
    connection.ask({.op = Op::unshare, .as = handle->domid, .id = reply.id});
    errno = reason;
    return nullptr;
  }
  std::copy(grefs.begin(), grefs.end(), refs);
  connection.count(handle->domid, Primitive::share_page, grefs.size());
  const std::lock_guard lock(handle->mutex);
  handle->ranges[at] = {reply.id, static_cast<uint32_t>(count)};
  return at;
}

}  // namespace
}  // namespace hush::simxen

using namespace hush::simxen;  // NOLINT: the functions below are C names, nothing is exported by this

SIMXEN_VISIBLE xengntshr_handle* xengntshr_open(xentoollog_logger*, unsigned) {
  return open_grant_handle();
}

SIMXEN_VISIBLE int xengntshr_close(xengntshr_handle* handle) {
  // As on Linux, the pages stay granted until they are unshared or the process ends.
  delete handle;
  return 0;
}

SIMXEN_VISIBLE int xengntshr_fd(xengntshr_handle* handle) {
  return handle->fd.get();
}

SIMXEN_VISIBLE void* xengntshr_share_pages(xengntshr_handle* handle, uint32_t domid, int count,
                                           uint32_t* refs, int writable) {
  return share(handle, domid, count, refs, writable != 0, kNoNotify, kNoNotify);
}

SIMXEN_VISIBLE void* xengntshr_share_page_notify(xengntshr_handle* handle, uint32_t domid, uint32_t* ref,
                                                 int writable, uint32_t notify_offset,
                                                 evtchn_port_t notify_port) {
  return share(handle, domid, 1, ref, writable != 0, notify_offset, notify_port);
}

SIMXEN_VISIBLE int xengntshr_unshare(xengntshr_handle* handle, void* start, uint32_t count) {
  Connection& connection = Connection::instance();
  connection.count(handle->domid, Primitive::unshare);
  xengntshr_handle::Range range;
  if (!handle->alive() || connection.fails(handle->domid, Primitive::unshare)) {
    errno = EINVAL;
    return -1;
  }
  if (!handle->take(start, count, range)) return -1;
  ::munmap(start, size_t{count} * kPageSize);
  return connection.ask({.op = Op::unshare, .as = handle->domid, .id = range.id}) ? 0 : -1;
}
