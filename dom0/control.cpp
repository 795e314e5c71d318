#include "dom0/control.hpp"

#include "dom0/profile/profile_report.hpp"
#include "dom0/report.hpp"

namespace hush::dom0 {
namespace {

using nlohmann::json;

// A word of a request; empty where there is none. Anybody with the socket may send any type.
std::string word(const json& request, const char* name) {
  const auto found = request.find(name);
  return found != request.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag(const json& request, const char* name) {
  const auto found = request.find(name);
  return found != request.end() && found->is_boolean() && found->get<bool>();
}

json origin_json(const xenstore::Origin& origin) {
  return {{"value", origin.text}, {"source", origin.path}};
}

json nullable(const std::optional<std::string>& text) {
  return text ? json(*text) : json();
}

// Where a key is to be written: below directory, which is of one vif where vif is set.
struct Place {
  std::string directory;
  std::optional<xenstore::VifId> vif;
};

}  // namespace

const std::vector<Control::Command>& Control::commands() {
  static const std::vector<Command> kCommands{{"list", &Control::list},
                                              {"show", &Control::show},
                                              {"stats", &Control::stats},
                                              {"stalls", &Control::stalls},
                                              {"set", &Control::set},
                                              {"unset", &Control::unset},
                                              {"log-level", &Control::log_level},
                                              {"areas", &Control::areas},
                                              {"area-budget", &Control::area_budget},
                                              {"capture", &Control::capture},
                                              {"capture-stop", &Control::capture_stop},
                                              {"profile-list", &Control::profile_list},
                                              {"profile-show", &Control::profile_show},
                                              {"profile-set", &Control::profile_set},
                                              {"profile-forget", &Control::profile_forget},
                                              {"upgrade", &Control::upgrade},
                                              {"upgrade-state", &Control::upgrade_state},
                                              {"version", &Control::version}};
  return kCommands;
}

json Control::answer(const json& request) {
  const std::string name = word(request, "command");
  std::string known;
  for (const Command& command : commands()) {
    if (command.name == name) {
      auto answer = (this->*command.run)(request);
      return answer ? *answer : json{{"error", answer.error().text}, {"code", answer.error().code}};
    }
    known += (known.empty() ? "" : ", ") + std::string(command.name);
  }
  return {{"error", "unknown command '" + name + "'; there are: " + known}, {"code", ENOSYS}};
}

Result<Vif*> Control::vif_of(const json& request) const {
  const std::string name = word(request, "vif");
  if (Vif* vif = manager_.find(name)) return vif;
  return error("no vif '" + name + "' here (hushctl list shows those there are)", ENOENT);
}

Result<std::vector<Vif*>> Control::vifs_of(const json& request) const {
  std::vector<Vif*> vifs;
  if (word(request, "vif").empty()) {
    for (const auto& [id, vif] : manager_.vifs()) vifs.push_back(vif.get());
    return vifs;
  }
  auto vif = vif_of(request);
  if (!vif) return vif.error();
  return std::vector<Vif*>{*vif};
}

Control::Answer Control::list(const json& request) {
  auto vifs = vifs_of(request);
  if (!vifs) return vifs.error();
  json lines = json::array();
  for (const Vif* vif : *vifs)
    lines.push_back(describe(*vif, xenstore::read_vif_facts(host_.store.view(), vif->id())));
  return json{{"vifs", lines}};
}

Control::Answer Control::show(const json& request) {
  auto vif = vif_of(request);
  if (!vif) return vif.error();
  return json{{"vif", describe_fully(**vif, xenstore::read_vif_facts(host_.store.view(), (*vif)->id()),
                                     host_.governor)}};
}

Control::Answer Control::stats(const json& request) {
  auto vifs = vifs_of(request);
  if (!vifs) return vifs.error();
  json lines = json::array();
  for (const Vif* vif : *vifs) lines.push_back(count(*vif));
  return json{{"vifs", lines}};
}

Control::Answer Control::stalls(const json& request) {
  auto vifs = vifs_of(request);
  if (!vifs) return vifs.error();
  json lines = json::array();
  for (const Vif* vif : *vifs)
    for (auto& stall : stalls_of(*vif)) lines.push_back(std::move(stall));
  return json{{"stalls", lines}};
}

Control::Answer Control::set(const json& request) {
  const std::string key = word(request, "key");
  const std::string value = word(request, "value");
  const auto* setting = xenstore::find_setting(key);
  xenstore::VifSettings scratch;
  if (setting && !xenstore::take(*setting, value, scratch))
    return error(key + ": '" + value + "' is not " + xenstore::accepted(*setting), EINVAL);
  return change(request, value);
}

Control::Answer Control::unset(const json& request) {
  return change(request, std::nullopt);
}

namespace {

Result<Place> place_of(const json& request, const Vif* vif) {
  const std::string domain = word(request, "domain"), mac = word(request, "mac");
  const int named = (vif ? 1 : 0) + !domain.empty() + !mac.empty() + flag(request, "default");
  if (named != 1) return error("say whose setting it is: one of --vif, --domain, --mac, --default", EINVAL);
  if (vif) return Place{xenstore::own_settings_path(vif->id()), vif->id()};
  if (!domain.empty()) return Place{xenstore::domain_settings_path(domain), {}};
  if (!mac.empty() && !xenstore::is_mac(mac))
    return error("'" + mac + "' is not a MAC address as 00:16:3e:00:00:01", EINVAL);
  return Place{mac.empty() ? xenstore::default_settings_path() : xenstore::mac_settings_path(mac), {}};
}

}  // namespace

Control::Answer Control::change(const json& request, const std::optional<std::string>& text) {
  const std::string key = word(request, "key");
  const auto* setting = xenstore::find_setting(key);
  if (!setting) {
    std::string names;
    for (const auto& known : xenstore::vif_settings()) names += " " + std::string(known.name);
    return error("no setting is called '" + key + "'; there are:" + names, EINVAL);
  }
  Vif* named = nullptr;
  if (!word(request, "vif").empty()) {
    auto vif = vif_of(request);
    if (!vif) return vif.error();
    named = *vif;
  }
  auto place = place_of(request, named);
  if (!place) return place.error();
  const std::string path = place->directory + "/" + key;
  auto was = host_.settings.write(path, text, place->vif);
  if (!was) return was.error();

  const auto index = static_cast<std::size_t>(setting - xenstore::vif_settings().data());
  json lines = json::array();
  for (const auto& [id, vif] : manager_.vifs()) {
    const xenstore::Origin before = vif->settings().origins[index];
    manager_.apply_settings(*vif);
    const xenstore::Origin& after = vif->settings().origins[index];
    if (vif.get() != named && before.text == after.text && before.path == after.path) continue;
    lines.push_back({{"vif", vif->name()}, {"before", origin_json(before)}, {"after", origin_json(after)}});
  }
  return json{{"path", path},
              {"was", nullable(*was)},
              {"now", nullable(text)},
              {"acts", setting->acts == xenstore::Acts::at_once ? "at once" : "at the next connect"},
              {"vifs", lines}};
}

Control::Answer Control::log_level(const json& request) {
  const std::string value = word(request, "value");
  const xenstore::Origin before = host_.settings.log_level();
  if (!value.empty() && !xenstore::is_log_level(value))
    return error("'" + value + "' is no log level: trace, debug, info, warn or error", EINVAL);
  if (!value.empty() || flag(request, "unset")) {
    auto done =
        host_.settings.write(xenstore::log_level_path(), value.empty() ? std::nullopt : std::optional(value));
    if (!done) return done.error();
    host_.settings.read_log_level();
  }
  return json{{"before", origin_json(before)}, {"after", origin_json(host_.settings.log_level())}};
}

Control::Answer Control::areas(const json&) {
  json lines = json::array();
  for (const auto& area : host_.governor.look()) lines.push_back(describe(area));
  const AreaBudget& budget = host_.settings.area_budget();
  return json{{"areas", lines},
              {"budget",
               {{"bytes", budget.bytes},
                {"source", budget.origin.path},
                {"taken", host_.governor.taken_bytes()},
                {"reserve", host_.governor.reserved_bytes()}}}};
}

// As log-level: of the daemon, not of a vif.
Control::Answer Control::area_budget(const json& request) {
  const std::string value = word(request, "value");
  const xenstore::Origin before = host_.settings.area_budget().origin;
  if (!value.empty() && !xenstore::parse_area_budget(value))
    return error("'" + value + "' is no budget for areas: a number of MiB from 1 to " +
                     std::to_string(xenstore::kMaxAreaBudget),
                 EINVAL);
  if (!value.empty() || flag(request, "unset")) {
    auto done = host_.settings.write(xenstore::area_budget_path(),
                                     value.empty() ? std::nullopt : std::optional(value));
    if (!done) return done.error();
    host_.settings.read_area_budget();
    host_.governor.look_soon();
  }
  return json{{"before", origin_json(before)}, {"after", origin_json(host_.settings.area_budget().origin)}};
}

Control::Answer Control::capture(const json& request) {
  auto vif = vif_of(request);
  if (!vif) return vif.error();
  if (auto done = (*vif)->start_capture(word(request, "file")); !done) return done.error();
  return json::object();
}

Control::Answer Control::capture_stop(const json& request) {
  auto vif = vif_of(request);
  if (!vif) return vif.error();
  (*vif)->stop_capture();
  return json::object();
}

namespace {

Result<std::string> workload_of(const json& request) {
  std::string workload = word(request, "workload");
  if (!xenstore::is_workload(workload))
    return error("'" + workload + "' is no workload: 1 to " + std::to_string(xenstore::kMaxWorkload) +
                     " letters, digits, '-', '_' or '.'",
                 EINVAL);
  return workload;
}

Error no_profiles() {
  return error("this hush-backd keeps no profiles", EOPNOTSUPP);
}

}  // namespace

Control::Answer Control::profile_list(const json&) {
  if (!host_.profiles) return no_profiles();
  json lines = json::array();
  for (const auto& [workload, profile] : host_.profiles->list())
    lines.push_back(describe(workload, profile, wall_time()));
  return json{{"profiles", lines}, {"file", host_.profiles->place()}, {"trouble", host_.profiles->trouble()}};
}

Control::Answer Control::profile_show(const json& request) {
  if (!host_.profiles) return no_profiles();
  const auto workload = workload_of(request);
  if (!workload) return workload.error();
  const auto profile = host_.profiles->find(*workload);
  if (!profile)
    return error(
        "nothing is known of workload '" + *workload + "' (hushctl profile list shows those that are)",
        ENOENT);
  return json{{"profile", describe_fully(*workload, *profile, wall_time())}};
}

Control::Answer Control::profile_set(const json& request) {
  if (!host_.profiles) return no_profiles();
  const auto workload = workload_of(request);
  if (!workload) return workload.error();
  const auto pin = read_pin(word(request, "tx"), word(request, "rx"), word(request, "queues"), wall_time());
  if (!pin) return pin.error();
  if (auto done = host_.profiles->set(*workload, *pin); !done) return done.error();
  const auto profile = host_.profiles->find(*workload);
  return json{{"profile", describe(*workload, profile.value_or(Profile{*pin, {}}), wall_time())}};
}

Control::Answer Control::profile_forget(const json& request) {
  if (!host_.profiles) return no_profiles();
  const auto workload = workload_of(request);
  if (!workload) return workload.error();
  if (auto done = host_.profiles->forget(*workload); !done) return done.error();
  return json{{"forgotten", *workload}};
}

Control::Answer Control::upgrade(const json& request) {
  const auto pid = upgrades_.begin(word(request, "program"));
  if (!pid) return pid.error();
  return json{{"pid", *pid}};
}

Control::Answer Control::upgrade_state(const json& /*request*/) {
  return upgrades_.state();
}

Control::Answer Control::version(const json&) {
  return json{{"version", HUSH_VERSION}};
}

}  // namespace hush::dom0
