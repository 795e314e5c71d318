// TAPs outlive the daemon that made them. With its last descriptor a TAP is gone, and with it its place in
// the bridge, its addresses and all frames that wait in it: so a duplicate of each lies with whoever started
// this program (common/telemetry/service_manager.hpp), and the next daemon finds it here. So does one that
// takes over while this one still runs (dom0/upgrade). Control thread only.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/tap.hpp"
#include "common/telemetry/service_manager.hpp"

namespace hush::dom0 {

class KeptTaps {
 public:
  // service: outlives this; null: nobody keeps anything.
  explicit KeptTaps(const telemetry::ServiceManager* service = nullptr) : service_(service) {}

  // What was kept of the daemon before. Fails by name where a TAP makes no sense; it is closed then.
  Result<void> add(std::vector<telemetry::ServiceManager::Kept> kept);
  // The same of one that was handed over.
  Result<void> add(const std::string& vif, std::vector<UniqueFd> queues);

  // The TAP of this vif that lies here; it is the caller's from now on.
  [[nodiscard]] std::optional<net::Tap> take(const std::string& vif);
  // It lies here from now on: its vif is not served for the time being.
  void put(const std::string& vif, net::Tap tap) { here_.insert_or_assign(vif, std::move(tap)); }
  // Its number of queues has changed: they are kept for the daemon after this one as they are now. A TAP that
  // cannot be kept is said once, and made anew by that one.
  void keep(const std::string& vif, const net::Tap& tap);
  // The vif is gone, and its interface with it.
  void drop(const std::string& vif, net::Tap tap);
  // Drops those of vifs that went while no daemon ran.
  void keep_only(const std::function<bool(std::string_view vif)>& is_there);

  [[nodiscard]] const std::map<std::string, net::Tap>& here() const { return here_; }

 private:
  void note(const std::string& vif, std::size_t queues);

  const telemetry::ServiceManager* service_;
  std::map<std::string, net::Tap> here_;
  std::map<std::string, std::size_t> noted_;  // how many queues of each vif lie with the service manager
  bool said_ = false;
};

}  // namespace hush::dom0
