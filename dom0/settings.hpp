// What an admin has set, as the daemon sees it: watches the tree hushring/ of the own domain, resolves what
// holds for a vif, follows the log level, and says each bad value once. Control thread only.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xenstore/vif_settings.hpp"

namespace hush::dom0 {

// What the areas of all vifs may take together.
struct AreaBudget {
  std::uint64_t bytes = std::uint64_t{xenstore::kAreaBudget} << 20;
  xenstore::Origin origin{std::to_string(xenstore::kAreaBudget), xenstore::kBuiltIn};  // MiB
};

class Settings {
 public:
  // options: what the daemon's own command line says of vifs; log_level: what it says of that.
  Settings(xenstore::Client& store, std::vector<xenstore::Said> options, std::string log_level);

  // on_change is called when something in the tree may have changed, and once soon.
  Result<void> watch(std::function<void()> on_change);

  // As if all of the tree had changed. What is wrong with a value is said anew.
  void read_again() { on_tree(""); }

  // What holds for a vif now. Fails where the store cannot be read.
  Result<xenstore::Resolved> of(xenstore::VifId id);
  [[nodiscard]] const xenstore::Origin& log_level() const { return log_level_; }
  [[nodiscard]] const AreaBudget& area_budget() const { return area_budget_; }

  // Writes a key below a directory of settings, or removes it (nullopt); answers what it was. vif: whose
  // backend directory it lies in, which must be there still.
  Result<std::optional<std::string>> write(const std::string& path, const std::optional<std::string>& text,
                                           std::optional<xenstore::VifId> vif = {});
  // Reads the log level again, after a write of it.
  void read_log_level();
  // The same of the budget.
  void read_area_budget();

 private:
  void on_tree(const std::string& path);
  void complain(const xenstore::Complaint& complaint);

  xenstore::Client& store_;
  std::vector<xenstore::Said> options_;
  xenstore::Origin log_level_option_;
  xenstore::Origin log_level_;
  AreaBudget area_budget_;
  std::function<void()> on_change_;
  std::map<std::string, std::string> said_;  // complaints, by path
};

}  // namespace hush::dom0
