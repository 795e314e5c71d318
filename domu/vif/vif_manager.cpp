#include "domu/vif/vif_manager.hpp"

#include "domu/report.hpp"

namespace hush::domu {

Result<void> VifManager::add(const Vif::Options& options) {
  auto vif = Vif::create(options, guest_);
  if (!vif) return vif.error();
  vifs_.push_back(std::move(*vif));
  return {};
}

void VifManager::leave(std::function<void()> on_gone) {
  auto left = std::make_shared<std::size_t>(vifs_.size());
  for (const auto& vif : vifs_)
    vif->leave([left, on_gone] {
      if (--*left == 0) on_gone();
    });
}

nlohmann::json VifManager::describe() const {
  auto all = nlohmann::json::array();
  for (const auto& vif : vifs_) all.push_back(domu::describe(*vif));
  return all;
}

}  // namespace hush::domu
