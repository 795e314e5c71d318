#include "dom0/vif/vif_manager.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>

#include "xenstore/keys.hpp"

namespace hush::dom0 {

Result<void> VifManager::start() {
  return host_.store.watch(xenstore::key::kBackendVif, [this](const std::string& path) { on_change(path); });
}

Vif* VifManager::find(const std::string& name) const {
  for (const auto& [id, vif] : vifs_)
    if (vif->name() == name) return vif.get();
  return nullptr;
}

void VifManager::on_change(const std::string& path) {
  if (const auto id = xenstore::parse_backend_path(path))
    changed_.insert(*id);
  else
    rescan_ = true;  // a directory above the vifs: made, or removed with all below it
  if (posted_) return;
  posted_ = true;
  boost::asio::post(host_.loop, [this] { settle(); });
}

void VifManager::settle() {
  posted_ = false;
  if (std::exchange(rescan_, false)) rescan();
  for (const auto& id : std::exchange(changed_, {})) refresh(id);
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
  const auto found = vifs_.find(id);
  if (!*frontend) {
    if (found == vifs_.end()) return;
    spdlog::info("{}: removed", found->second->name());
    found->second->forget();
    vifs_.erase(found);
    return;
  }
  auto& vif = found != vifs_.end() ? found->second : vifs_[id];
  if (!vif) {
    vif = std::make_unique<Vif>(id, host_);
    spdlog::info("{}: found, front end at {}", vif->name(), **frontend);
  }
  vif->update();
  if (const auto wanted = captures_.find(vif->name()); wanted != captures_.end() && vif->connected()) {
    if (auto done = vif->start_capture(wanted->second); !done) spdlog::error("{}", done.error().text);
    captures_.erase(wanted);
  }
}

}  // namespace hush::dom0
