#include "dom0/vif/vif_manager.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "xenstore/keys.hpp"

namespace hush::dom0 {

namespace {

std::string name_path(DomId domid) {
  return std::string(xenstore::key::kLocalDomain) + "/" + std::to_string(domid.value) + "/" +
         xenstore::key::kName;
}

}  // namespace

Result<void> VifManager::start() {
  auto done = host_.settings.watch([this] { changed_all(); });
  if (!done) return done;
  if (host_.profiles) learn_later();
  mark_store();
  return host_.store.watch(xenstore::key::kBackendVif, [this](const std::string& path) { on_change(path); });
}

void VifManager::let_go() {
  let_go_ = true;
  taken_up_ = false;
  while (!vifs_.empty()) erase(vifs_.begin());
  changed_.clear();
}

// A name that no other store has.
void VifManager::mark_store() {
  sentinel_ = std::to_string(getpid()) + "-" +
              std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  if (auto done = host_.store.view().write(xenstore::key::kSentinel, sentinel_); !done)
    spdlog::warn("an xenstored that begins empty will not be told from one that goes on: {}",
                 done.error().text);
}

void VifManager::store_is_back() {
  const auto known = host_.store.view().read(xenstore::key::kSentinel);
  if (!known) return spdlog::error("{}", known.error().text);  // gone again
  if (*known == sentinel_) {
    spdlog::info("xenstored is back, and knows what it knew");
    return look_again();
  }
  std::size_t written = 0;
  for (const auto& [id, vif] : vifs_) {
    lost_by_store_.insert(id);
    if (auto done = vif->write_again(); !done)
      spdlog::warn("{}: cannot be written into the new store: {}", vif->name(), done.error().text);
    else
      written += vif->connected();
  }
  spdlog::warn("xenstored began anew and empty: {} vifs are served on, and the nodes of {} are written again",
               vifs_.size(), written);
  mark_store();
  look_again();
}

void VifManager::take_up() {
  let_go_ = false;
  rescan_ = true;
  settle_later();
}

void VifManager::look_again() {
  again_ = true;
  if (again_timer_runs_) return;
  again_ = false;
  spdlog::info("looking at all of xenstore again");
  host_.settings.read_again();
  rescan_ = true;
  settle_later();
  again_timer_runs_ = true;
  again_timer_.expires_after(kLookAgainEvery);
  again_timer_.async_wait([this](const boost::system::error_code& failed) {
    if (failed) return;
    again_timer_runs_ = false;
    if (again_) look_again();
  });
}

void VifManager::learn_later() {
  learn_timer_.expires_after(kLearnEvery);
  learn_timer_.async_wait([this](const boost::system::error_code& failed) {
    if (failed) return;
    for (const auto& [id, vif] : vifs_) vif->record_use();
    host_.profiles->tend();
    learn_later();
  });
}

Vif* VifManager::find(const std::string& name) const {
  for (const auto& [id, vif] : vifs_)
    if (vif->name() == name) return vif.get();
  return nullptr;
}

void VifManager::on_change(const std::string& path) {
  if (const auto id = xenstore::parse_backend_path(path)) return look_at(*id);
  rescan_ = true;  // a directory above the vifs: made, or removed with all below it
  settle_later();
}

void VifManager::look_at(xenstore::VifId id) {
  changed_.insert(id);
  settle_later();
}

void VifManager::changed_all() {
  for (const auto& [id, vif] : vifs_) changed_.insert(id);
  host_.governor.look_soon();
  settle_later();
}

void VifManager::settle_later() {
  if (posted_ || let_go_) return;
  posted_ = true;
  boost::asio::post(host_.loop, [this] { settle(); });
}

void VifManager::settle() {
  posted_ = false;
  if (let_go_) return;
  const bool all = std::exchange(rescan_, false);
  if (all) rescan();
  for (const auto& id : std::exchange(changed_, {})) refresh(id);
  taken_up_ = taken_up_ || all;
  // A store that is empty tells of no vif that went: it may have lost them all.
  if (!tidied_ && taken_up_ && !vifs_.empty()) tidy();
}

// What was kept of vifs that went while no daemon ran.
void VifManager::tidy() {
  tidied_ = true;
  const auto is_there = [this](std::string_view name) {
    return std::any_of(vifs_.begin(), vifs_.end(),
                       [&](const auto& vif) { return vif.second->name() == name; });
  };
  host_.taps.keep_only(is_there);
  if (!host_.inflight) return;
  if (auto done = host_.inflight->keep_only(is_there); !done) spdlog::warn("{}", done.error().text);
}

void VifManager::rescan() {
  for (const auto& [id, vif] : vifs_) changed_.insert(id);
  const std::string root = xenstore::key::kBackendVif;
  auto domains = host_.store.view().list(root);
  if (!domains) return spdlog::error("{}", domains.error().text);
  for (const auto& domain : *domains) {
    auto handles = host_.store.view().list(root + "/" + domain);
    if (!handles) continue;  // gone since
    for (const auto& handle : *handles)
      if (const auto id = xenstore::parse_backend_path(root + "/" + domain + "/" + handle))
        changed_.insert(*id);
  }
}

void VifManager::refresh(xenstore::VifId id) {
  auto frontend = host_.store.view().read(xenstore::backend_path(id) + "/" + xenstore::key::kFrontend);
  if (!frontend) return spdlog::error("{}", frontend.error().text);
  if (!*frontend) {
    if (lost_by_store_.contains(id)) return;  // nobody removed it
    return remove(id);
  }
  lost_by_store_.erase(id);
  const auto found = vifs_.find(id);
  if (found == vifs_.end()) spdlog::info("{}: found, front end at {}", xenstore::vif_name(id), **frontend);
  Vif& vif = found != vifs_.end() ? *found->second : make(id);
  apply_settings(vif);
  vif.update();
  if (const auto wanted = captures_.find(vif.name()); wanted != captures_.end() && vif.connected()) {
    if (auto done = vif.start_capture(wanted->second); !done) spdlog::error("{}", done.error().text);
    captures_.erase(wanted);
  }
}

void VifManager::apply_settings(Vif& vif) {
  // A store that cannot be read changes no setting.
  if (auto settings = host_.settings.of(vif.id()))
    vif.apply(std::move(*settings));
  else
    spdlog::warn("{}: {}", vif.name(), settings.error().text);
}

Vif& VifManager::make(xenstore::VifId id) {
  const auto first = vifs_.lower_bound({id.domid, 0});
  if (first == vifs_.end() || first->first.domid != id.domid) {
    // Settings go by the domain's name too, and a migration renames it at its end.
    auto watched = host_.store.watch(name_path(id.domid), [this, id](const std::string&) {
      for (const auto& [other, vif] : vifs_)
        if (other.domid == id.domid) changed_.insert(other);
      settle_later();
    });
    if (!watched) spdlog::warn("{}", watched.error().text);
  }
  return *(vifs_[id] = std::make_unique<Vif>(id, host_, [this, id] { look_at(id); }));
}

void VifManager::remove(xenstore::VifId id) {
  const auto found = vifs_.find(id);
  if (found == vifs_.end()) return;
  spdlog::info("{}: removed", found->second->name());
  found->second->forget();
  erase(found);
}

void VifManager::erase(std::map<xenstore::VifId, std::unique_ptr<Vif>>::iterator vif) {
  const DomId domid = vif->first.domid;
  vifs_.erase(vif);
  const auto first = vifs_.lower_bound({domid, 0});
  if (first == vifs_.end() || first->first.domid != domid) host_.store.unwatch(name_path(domid));
}

}  // namespace hush::dom0
