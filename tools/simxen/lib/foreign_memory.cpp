// libxenforeignmemory and libxendevicemodel, as far as libxenctrl opens them: oxenstored maps a domain's
// store page by its frame number, which is the number of the grant.
#include <sys/mman.h>

#include <cerrno>

#include "tools/simxen/lib/connection.hpp"
#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/lib/xen_api.hpp"

struct xenforeignmemory_handle {
  uint32_t domid = 0;
};
struct xendevicemodel_handle {};

using namespace hush::simxen;  // NOLINT: the functions below are C names, nothing is exported by this

SIMXEN_VISIBLE xenforeignmemory_handle* xenforeignmemory_open(xentoollog_logger*, unsigned) {
  if (!Connection::instance().open()) return nullptr;
  return new xenforeignmemory_handle{acting_domid()};
}

SIMXEN_VISIBLE int xenforeignmemory_close(xenforeignmemory_handle* handle) {
  delete handle;
  return 0;
}

SIMXEN_VISIBLE void* xenforeignmemory_map(xenforeignmemory_handle* handle, uint32_t domid, int prot,
                                          size_t pages, const xen_pfn_t frames[], int errors[]) {
  Connection& connection = Connection::instance();
  if (handle->domid != 0 || pages != 1 || frames[0] >= kGrants) {
    errno = handle->domid != 0 ? EPERM : EINVAL;
    return nullptr;
  }
  if (!connection.load_view(domid)) return nullptr;
  const auto lock = connection.lock_views();
  void* at = ::mmap(nullptr, kPageSize, prot, MAP_SHARED,
                    connection.view(domid)->memory_fd((static_cast<unsigned>(prot) & PROT_WRITE) != 0),
                    static_cast<off_t>(frames[0] * kPageSize));
  if (at == MAP_FAILED) return nullptr;
  if (errors != nullptr) errors[0] = 0;
  return at;
}

SIMXEN_VISIBLE int xenforeignmemory_unmap(xenforeignmemory_handle*, void* at, size_t pages) {
  return ::munmap(at, pages * kPageSize);
}

SIMXEN_VISIBLE xendevicemodel_handle* xendevicemodel_open(void*, unsigned) {
  return new xendevicemodel_handle;
}

SIMXEN_VISIBLE int xendevicemodel_close(xendevicemodel_handle* handle) {
  delete handle;
  return 0;
}
