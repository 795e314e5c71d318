// What stands behind xengnttab_handle and xengntshr_handle (one type in Xen's header).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>

#include "tools/simxen/lib/connection.hpp"

struct xengntdev_handle {
  struct Range {
    uint64_t id = 0;
    uint32_t pages = 0;
  };

  uint32_t domid = 0;
  uint32_t generation = 0;
  hush::UniqueFd fd;  // for xengnttab_fd(): something to close, nothing to read
  std::mutex mutex;
  std::map<void*, Range> ranges;

  bool alive() const { return generation == hush::simxen::Connection::instance().generation(); }
  // Takes the range out when it starts there and has that many pages: Linux refuses anything else with
  // EINVAL.
  bool take(void* start, uint32_t pages, Range& out);
};

namespace hush::simxen {

// A handle in the acting domain, or null with errno.
xengntdev_handle* open_grant_handle();

// Maps the named pages one after the other as one range. Null with errno. The views must be current.
void* map_pages(std::span<const GrantName> pages, std::span<const uint32_t> incarnations, int protection);

}  // namespace hush::simxen
