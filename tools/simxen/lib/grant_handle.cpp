#include "tools/simxen/lib/grant_handle.hpp"

#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cerrno>
#include <memory>

bool xengntdev_handle::take(void* start, uint32_t pages, Range& out) {
  const std::lock_guard lock(mutex);
  const auto found = ranges.find(start);
  if (found == ranges.end() || found->second.pages != pages) {
    errno = EINVAL;
    return false;
  }
  out = found->second;
  ranges.erase(found);
  return true;
}

namespace hush::simxen {

xengntdev_handle* open_grant_handle() {
  if (!Connection::instance().open()) return nullptr;
  auto handle = std::make_unique<xengntdev_handle>();
  handle->domid = acting_domid();
  handle->generation = Connection::instance().generation();
  handle->fd.reset(::eventfd(0, EFD_CLOEXEC));
  return handle.release();
}

void* map_pages(std::span<const GrantName> pages, std::span<const uint32_t> incarnations, int protection) {
  Connection& connection = Connection::instance();
  const size_t bytes = pages.size() * kPageSize;
  // Reserve first: the range must be contiguous whatever runs the references make.
  void* at = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  for (size_t first = 0; first < pages.size();) {
    size_t end = first + 1;
    while (end < pages.size() && pages[end].domid == pages[first].domid &&
           pages[end].gref == pages[end - 1].gref + 1)
      ++end;
    bool mapped = connection.load_view(pages[first].domid, incarnations[first]);
    if (mapped) {
      const auto lock = connection.lock_views();
      const DomainView* view = connection.view(pages[first].domid);
      mapped = ::mmap(static_cast<std::byte*>(at) + first * kPageSize, (end - first) * kPageSize, protection,
                      MAP_SHARED | MAP_FIXED, view->memory_fd((protection & PROT_WRITE) != 0),
                      static_cast<off_t>(size_t{pages[first].gref} * kPageSize)) != MAP_FAILED;
    }
    if (!mapped) {
      const int reason = errno;
      ::munmap(at, bytes);
      errno = reason;
      return nullptr;
    }
    first = end;
  }
  return at;
}

}  // namespace hush::simxen
