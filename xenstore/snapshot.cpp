#include "xenstore/snapshot.hpp"

namespace hush::xenstore {

Result<Snapshot> take_snapshot(const View& view, const std::string& path) {
  Snapshot snapshot;
  std::vector<std::string> open{path};
  while (!open.empty() && snapshot.nodes.size() < Snapshot::kMostNodes) {
    const std::string at = std::move(open.back());
    open.pop_back();
    auto value = view.read(at);
    if (!value) return value.error();
    if (!*value) continue;  // gone since
    auto permissions = view.permissions(at);
    if (!permissions) {
      if (permissions.error().code == ENOENT) continue;
      return permissions.error();
    }
    auto names = view.list(at);
    if (!names) return names.error();
    for (const std::string& name : *names) open.push_back(at + "/" + name);
    snapshot.nodes.push_back({at, std::move(**value), std::move(*permissions)});
  }
  return snapshot;
}

Result<void> restore(const View& view, const Snapshot& snapshot) {
  for (const auto& [path, value, permissions] : snapshot.nodes) {
    if (auto done = view.write(path, value); !done) return done;
    if (auto done = view.set_permissions(path, permissions); !done) return done;
  }
  return {};
}

}  // namespace hush::xenstore
