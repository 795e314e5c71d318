// What the vifs of this host that have a workload use now, as a source for the next one of the same workload.
// Control thread only.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "dom0/profile/profile.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class RunningUses {
 public:
  // From now on the vif uses this.
  void note(xenstore::VifId id, std::string workload, const RingUse& use) {
    uses_[id] = {std::move(workload), use};
  }
  // It does not run any more.
  void forget(xenstore::VifId id) { uses_.erase(id); }
  [[nodiscard]] std::vector<RingUse> of(const std::string& workload) const {
    std::vector<RingUse> found;
    for (const auto& [id, entry] : uses_)
      if (entry.workload == workload) found.push_back(entry.use);
    return found;
  }

 private:
  struct Entry {
    std::string workload;
    RingUse use;
  };
  std::map<xenstore::VifId, Entry> uses_;
};

}  // namespace hush::dom0
