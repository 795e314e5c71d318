// libxengnttab, the consumer's half: map and unmap (grant_copy.cpp has the copies).
#include <sys/mman.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "tools/simxen/lib/grant_handle.hpp"
#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/lib/xen_api.hpp"

namespace hush::simxen {
namespace {

void* map_grants(xengnttab_handle* handle, std::vector<GrantName> grants, int protection, uint32_t offset,
                 uint32_t port) {
  Connection& connection = Connection::instance();
  if (!handle->alive() || grants.empty()) {
    errno = EINVAL;
    return nullptr;
  }
  connection.count(handle->domid, Primitive::map);
  if (connection.fails(handle->domid, Primitive::map)) {
    errno = EINVAL;
    return nullptr;
  }
  const Request request{.op = Op::map,
                        .as = handle->domid,
                        .count = static_cast<uint32_t>(grants.size()),
                        .flags = (protection & PROT_WRITE) != 0 ? kWritable : 0,
                        .port = port,
                        .offset = offset};
  ipc::Packet packet;
  Reply reply;
  if (!connection.ask(request, std::as_bytes(std::span(grants)), packet, reply)) return nullptr;
  const auto incarnations = packet.items<Reply, uint32_t>();
  void* at = incarnations.size() == grants.size() ? map_pages(grants, incarnations, protection) : nullptr;
  if (at == nullptr) {
    const int reason = errno;
    connection.ask({.op = Op::unmap, .as = handle->domid, .id = reply.id});
    errno = reason;
    return nullptr;
  }
  ::madvise(at, grants.size() * kPageSize, MADV_DONTFORK);
  connection.count(handle->domid, Primitive::map_page, grants.size());
  const std::lock_guard lock(handle->mutex);
  handle->ranges[at] = {reply.id, static_cast<uint32_t>(grants.size())};
  return at;
}

}  // namespace
}  // namespace hush::simxen

using namespace hush::simxen;  // NOLINT: the functions below are C names, nothing is exported by this

SIMXEN_VISIBLE xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
  return open_grant_handle();
}

SIMXEN_VISIBLE int xengnttab_close(xengnttab_handle* handle) {
  // As on Linux, mappings outlive their handle: they end with munmap or with the process.
  delete handle;
  return 0;
}

SIMXEN_VISIBLE int xengnttab_fd(xengnttab_handle* handle) {
  return handle->fd.get();
}

SIMXEN_VISIBLE int xengnttab_set_max_grants(xengnttab_handle*, uint32_t) {
  return 0;
}

SIMXEN_VISIBLE void* xengnttab_map_grant_refs(xengnttab_handle* handle, uint32_t count, uint32_t* domids,
                                              uint32_t* refs, int prot) {
  std::vector<GrantName> grants;
  grants.reserve(count);
  for (uint32_t i = 0; i < count; ++i) grants.push_back({domids[i], refs[i]});
  return map_grants(handle, std::move(grants), prot, kNoNotify, kNoNotify);
}

SIMXEN_VISIBLE void* xengnttab_map_domain_grant_refs(xengnttab_handle* handle, uint32_t count, uint32_t domid,
                                                     uint32_t* refs, int prot) {
  std::vector<GrantName> grants;
  grants.reserve(count);
  for (uint32_t i = 0; i < count; ++i) grants.push_back({domid, refs[i]});
  return map_grants(handle, std::move(grants), prot, kNoNotify, kNoNotify);
}

SIMXEN_VISIBLE void* xengnttab_map_grant_ref_notify(xengnttab_handle* handle, uint32_t domid, uint32_t ref,
                                                    int prot, uint32_t notify_offset,
                                                    evtchn_port_t notify_port) {
  return map_grants(handle, {{domid, ref}}, prot, notify_offset, notify_port);
}

SIMXEN_VISIBLE void* xengnttab_map_grant_ref(xengnttab_handle* handle, uint32_t domid, uint32_t ref,
                                             int prot) {
  return map_grants(handle, {{domid, ref}}, prot, kNoNotify, kNoNotify);
}

SIMXEN_VISIBLE int xengnttab_unmap(xengnttab_handle* handle, void* start, uint32_t count) {
  Connection& connection = Connection::instance();
  connection.count(handle->domid, Primitive::unmap);
  xengnttab_handle::Range range;
  if (!handle->alive() || connection.fails(handle->domid, Primitive::unmap)) {
    errno = EINVAL;
    return -1;
  }
  if (!handle->take(start, count, range)) return -1;
  connection.count(handle->domid, Primitive::unmap_page, count);
  ::munmap(start, size_t{count} * kPageSize);
  return connection.ask({.op = Op::unmap, .as = handle->domid, .id = range.id}) ? 0 : -1;
}
