// The commands of the control socket: a table, one function a command. Answers are ready at once,
// all but profile-set and profile-forget, which wait for a disk: ProfileStore::kLongestWait at most.
// README.md beside this file has the shapes. Control thread only.
#pragma once
#include <nlohmann/json.hpp>

#include "dom0/settings.hpp"
#include "dom0/upgrade.hpp"
#include "dom0/vif/vif_manager.hpp"

namespace hush::dom0 {

class Control {
 public:
  Control(VifManager& manager, Host& host, Upgrades& upgrades)
      : manager_(manager), host_(host), upgrades_(upgrades) {}

  // Any JSON object may come in; what is no request is answered with an error.
  [[nodiscard]] nlohmann::json answer(const nlohmann::json& request);

 private:
  using Answer = Result<nlohmann::json>;
  struct Command {
    const char* name;
    Answer (Control::*run)(const nlohmann::json& request);
  };
  static const std::vector<Command>& commands();

  Answer list(const nlohmann::json& request);
  Answer show(const nlohmann::json& request);
  Answer stats(const nlohmann::json& request);
  Answer stalls(const nlohmann::json& request);
  Answer set(const nlohmann::json& request);
  Answer unset(const nlohmann::json& request);
  Answer log_level(const nlohmann::json& request);
  Answer areas(const nlohmann::json& request);
  Answer area_budget(const nlohmann::json& request);
  Answer capture(const nlohmann::json& request);
  Answer capture_stop(const nlohmann::json& request);
  Answer profile_list(const nlohmann::json& request);
  Answer profile_show(const nlohmann::json& request);
  Answer profile_set(const nlohmann::json& request);
  Answer profile_forget(const nlohmann::json& request);
  Answer upgrade(const nlohmann::json& request);
  Answer upgrade_state(const nlohmann::json& request);
  Answer version(const nlohmann::json& request);

  Result<Vif*> vif_of(const nlohmann::json& request) const;
  // The vif that is asked for, or all where none is named.
  Result<std::vector<Vif*>> vifs_of(const nlohmann::json& request) const;
  Answer change(const nlohmann::json& request, const std::optional<std::string>& text);

  VifManager& manager_;
  Host& host_;
  Upgrades& upgrades_;
};

}  // namespace hush::dom0
