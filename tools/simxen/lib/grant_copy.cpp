// xengnttab_grant_copy: done here, in the caller's process, against the shared grant tables.

#include <cerrno>
#include <cstring>

#include "tools/simxen/lib/copier.hpp"
#include "tools/simxen/lib/grant_handle.hpp"
#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/lib/xen_api.hpp"

namespace hush::simxen {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIMXEN_HIDE_COPY
#endif
#endif
#ifdef SIMXEN_HIDE_COPY
// On Xen the hypervisor copies, and the sanitizer does not see it: bytes that the owner is writing meanwhile
// are the protocol's business, not a race of the program.
void copy_bytes(void* to, const void* from, size_t bytes) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
#else
void copy_bytes(void* to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
}
#endif

using Segment = xengnttab_grant_copy_segment_t;
using Side = decltype(Segment::source);

bool crosses_page(const Side& side, uint16_t length) {
  return uint32_t{side.foreign.offset} + length > kPageSize;
}

// What gntdev refuses for the whole call.
bool well_formed(const Segment& segment) {
  const bool from_grant = (segment.flags & GNTCOPY_source_gref) != 0;
  const bool to_grant = (segment.flags & GNTCOPY_dest_gref) != 0;
  if (!from_grant && !to_grant) return false;
  if (from_grant && crosses_page(segment.source, segment.len)) return false;
  return !(to_grant && crosses_page(segment.dest, segment.len));
}

// The side's address, or null and the GNTST status that Xen gives.
std::byte* locate(Connection& connection, uint32_t as, const Side& side, bool granted, bool write,
                  int16_t& status) {
  if (!granted) return static_cast<std::byte*>(side.virt);
  const DomainView* view = connection.view(side.foreign.domid);
  if (view == nullptr || view->dead()) {
    status = GNTST_bad_domain;
  } else if (side.foreign.ref >= kGrants) {
    status = GNTST_bad_gntref;
  } else if (!GrantEntry::permits(view->grant(side.foreign.ref), as, write)) {
    status = GNTST_general_error;
  } else {
    return view->page(side.foreign.ref) + side.foreign.offset;
  }
  return nullptr;
}

void copy_segment(Connection& connection, uint32_t as, Segment& segment) {
  segment.status = GNTST_okay;
  if (connection.fails(as, Primitive::copy_segment)) {
    segment.status = GNTST_general_error;
    return;
  }
  if (segment.len == 0) return;
  const bool from_grant = (segment.flags & GNTCOPY_source_gref) != 0;
  const bool to_grant = (segment.flags & GNTCOPY_dest_gref) != 0;
  const std::byte* from = locate(connection, as, segment.source, from_grant, false, segment.status);
  if (from == nullptr) return;
  std::byte* to = locate(connection, as, segment.dest, to_grant, true, segment.status);
  if (to == nullptr) return;
  copy_bytes(to, from, segment.len);
}

}  // namespace
}  // namespace hush::simxen

using namespace hush::simxen;  // NOLINT: the function below is a C name, nothing is exported by this

SIMXEN_VISIBLE int xengnttab_grant_copy(xengnttab_handle* handle, uint32_t count,
                                        xengnttab_grant_copy_segment_t* segments) {
  Connection& connection = Connection::instance();
  if (!handle->alive()) {
    errno = EINVAL;
    return -1;
  }
  connection.count(handle->domid, Primitive::copy);
  if (connection.fails(handle->domid, Primitive::copy)) {
    errno = ENOMEM;
    return -1;
  }
  uint64_t bytes = 0;
  uint32_t loaded = kAnyDomain;
  // An unknown domain is the segment's status, not the call's failure.
  const auto load = [&](const Side& side) {
    if (side.foreign.domid != loaded) connection.load_view(side.foreign.domid);
    loaded = side.foreign.domid;
  };
  for (uint32_t i = 0; i < count; ++i) {
    const Segment& segment = segments[i];
    if (!well_formed(segment)) {
      errno = EINVAL;
      return -1;
    }
    if ((segment.flags & GNTCOPY_source_gref) != 0) load(segment.source);
    if ((segment.flags & GNTCOPY_dest_gref) != 0) load(segment.dest);
    bytes += segment.len;
  }
  connection.count(handle->domid, Primitive::copy_segment, count);
  connection.count(handle->domid, Primitive::copy_byte, bytes);
  const auto views = connection.lock_views();
  const CopyGuard guard(connection);
  for (uint32_t i = 0; i < count; ++i) copy_segment(connection, handle->domid, segments[i]);
  return 0;
}
