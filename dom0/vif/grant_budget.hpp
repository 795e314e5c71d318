// How many queues a vif is offered. A guest's grants are not endless (64 frames of its table by default, 512
// entries each). Its front end takes one for every slot of both rings and one for each ring page when it
// connects, and where they run out the guest's disks fail as well, or the front end comes up with fewer
// queues than it said and hangs. Xen tells a back end nothing of a guest's table, so this is a sum over what
// was offered.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>

#include "common/netif/wire.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

inline constexpr std::uint32_t kGrantsOfQueue = 2 * netif::kSlots + 2;

// budget: the setting grant-budget, grants that the vifs of one guest may take together; 0: any number.
// taken: queues that its other vifs have, or were offered and may still take. At least 1: a vif without a
// queue is none.
[[nodiscard]] constexpr std::uint32_t queues_to_offer(std::uint32_t wanted, std::uint32_t taken,
                                                      std::uint32_t budget) {
  if (budget == 0) return wanted;
  const std::uint32_t affordable = budget / kGrantsOfQueue;
  return std::clamp(affordable > taken ? affordable - taken : 0, 1U, std::max(wanted, 1U));
}

// What each vif of the daemon counts for. Control thread only.
class QueueLedger {
 public:
  // Its queues: offered, from the offer on; the real ones, once it is connected.
  void count(xenstore::VifId id, std::uint32_t queues) { queues_[id] = queues; }
  void forget(xenstore::VifId id) { queues_.erase(id); }
  // Of the other vifs of that guest.
  [[nodiscard]] std::uint32_t others(xenstore::VifId id) const {
    std::uint32_t sum = 0;
    for (auto at = queues_.lower_bound({id.domid, 0}); at != queues_.end() && at->first.domid == id.domid;
         ++at)
      if (at->first != id) sum += at->second;
    return sum;
  }

 private:
  std::map<xenstore::VifId, std::uint32_t> queues_;
};

}  // namespace hush::dom0
