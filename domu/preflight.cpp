#include "domu/preflight.hpp"

#include <fstream>

#include "common/netif/wire.hpp"

namespace hush::domu {

std::size_t pages_of_queue(bool area) {
  constexpr std::size_t kNetif = 2 + 2 * netif::kSlots;
  constexpr std::size_t kRing = (1U << 20) / kPageSize;
  constexpr std::size_t kArea = 2 + 2 * kRing;  // the header page and an index page
  return area ? 2 * kArea : kNetif;
}

Result<GrantLimit> raise_grant_limit(std::size_t pages, const std::string& sysfs) {
  constexpr std::size_t kOfOthers = 1024;  // the kernel's default for all
  const std::string file = sysfs + "/module/xen_gntalloc/parameters/limit";
  const std::size_t wanted = pages + kOfOthers;
  GrantLimit limit;
  // Without the module there is /dev/xen/gntalloc to complain about.
  if (!(std::ifstream(file) >> limit.before)) return limit;
  limit.now = limit.before;
  if (limit.before >= wanted) return limit;
  std::ofstream raised(file);
  if (!(raised << wanted << std::flush))
    return errno_error("this guest may grant " + std::to_string(limit.before) + " pages, " +
                       std::to_string(wanted) +
                       " are wanted: there may be fewer queues and shorter areas; as root: echo " +
                       std::to_string(wanted) + " > " + file);
  limit.now = wanted;
  return limit;
}

}  // namespace hush::domu
