#include "dom0/settings.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "xenstore/keys.hpp"

namespace hush::dom0 {

Settings::Settings(xenstore::Client& store, std::vector<xenstore::Said> options, std::string log_level)
    : store_(store),
      options_(std::move(options)),
      log_level_option_{std::move(log_level), "--log-level"},
      log_level_(log_level_option_) {}

Result<void> Settings::watch(std::function<void()> on_change) {
  on_change_ = std::move(on_change);
  return store_.watch(xenstore::key::kHushring, [this](const std::string& path) { on_tree(path); });
}

void Settings::on_tree(const std::string& path) {
  // What was written again may be said again.
  std::erase_if(said_, [&](const auto& entry) { return entry.first.starts_with(path); });
  read_log_level();
  read_area_budget();
  on_change_();
}

Result<xenstore::Resolved> Settings::of(xenstore::VifId id) {
  auto in_store = xenstore::read_settings(store_.view(), id);
  if (!in_store) return in_store.error();
  std::vector<xenstore::Said> said = options_;
  said.insert(said.end(), in_store->begin(), in_store->end());
  auto resolved = xenstore::resolve(said);
  const std::string own = xenstore::backend_path(id) + "/";
  std::erase_if(said_, [&](const auto& entry) {
    return entry.first.starts_with(own) &&
           std::none_of(resolved.complaints.begin(), resolved.complaints.end(),
                        [&](const auto& c) { return c.path == entry.first; });
  });
  for (const auto& complaint : resolved.complaints) complain(complaint);
  return resolved;
}

Result<std::optional<std::string>> Settings::write(const std::string& path,
                                                   const std::optional<std::string>& text,
                                                   std::optional<xenstore::VifId> vif) {
  std::optional<std::string> before;
  auto done = store_.transact([&](xenstore::View& view) -> Result<void> {
    if (vif) {
      // A late write would make the directory of a vif that is gone again.
      auto frontend = view.read(xenstore::backend_path(*vif) + "/" + xenstore::key::kFrontend);
      if (!frontend) return frontend.error();
      if (!*frontend) return error(xenstore::vif_name(*vif) + " is gone", ENOENT);
    }
    auto now = view.read(path);
    if (!now) return now.error();
    before = *now;
    return text ? view.write(path, *text) : view.remove(path);
  });
  if (!done) return done.error();
  return before;
}

void Settings::read_log_level() {
  const std::string path = xenstore::log_level_path();
  auto text = store_.view().read(path);
  if (!text) return spdlog::warn("{}", text.error().text);
  xenstore::Origin now = log_level_option_;
  if (*text && xenstore::is_log_level(**text))
    now = {**text, path};
  else if (*text)
    complain(
        {path,
         path +
             " is no log level and is ignored: write one of trace, debug, info, warn, error, or remove it"});
  if (now.text != log_level_.text) spdlog::info("log level {} ({})", now.text, now.path);
  log_level_ = now;
  spdlog::set_level(spdlog::level::from_str(now.text));
}

void Settings::read_area_budget() {
  const std::string path = xenstore::area_budget_path();
  auto text = store_.view().read(path);
  if (!text) return spdlog::warn("{}", text.error().text);
  AreaBudget now;
  if (*text) {
    if (const auto mib = xenstore::parse_area_budget(**text))
      now = {std::uint64_t{*mib} << 20, {**text, path}};
    else
      complain({path, path + " is no budget for areas and is ignored: write a number of MiB from 1 to " +
                          std::to_string(xenstore::kMaxAreaBudget) + ", or remove it"});
  }
  if (now.bytes != area_budget_.bytes)
    spdlog::info("areas may take {} MiB together ({})", now.origin.text, now.origin.path);
  area_budget_ = std::move(now);
}

void Settings::complain(const xenstore::Complaint& complaint) {
  auto& said = said_[complaint.path];
  if (said == complaint.line) return;
  said = complaint.line;
  spdlog::warn("{}", complaint.line);
}

}  // namespace hush::dom0
