// The vifs that this program drives. Control thread only.
#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "domu/vif/vif.hpp"

namespace hush::domu {

class VifManager {
 public:
  explicit VifManager(Guest& guest) : guest_(guest) {}

  Result<void> add(const Vif::Options& options);
  // All vifs take leave of their back ends; on_gone is called once, when the last one has.
  void leave(std::function<void()> on_gone);
  // What the interface of the first one has now.
  [[nodiscard]] Result<net::InterfaceState> interface() const { return vifs_.front()->interface(); }
  // A list with one entry a vif.
  [[nodiscard]] nlohmann::json describe() const;

 private:
  Guest& guest_;
  std::vector<std::unique_ptr<Vif>> vifs_;
};

}  // namespace hush::domu
