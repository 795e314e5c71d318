// A node is a path and bytes; transactions see and do everything at once and always commit. Enough for what
// reads keys.
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tests/support/fake_xen/world.hpp"
extern "C" {
#include <xenstore.h>
#include <xenstore_lib.h>
}

using hush::test::FakeXen;
using Lock = std::lock_guard<std::mutex>;

namespace {

// What free() gives back in one piece, as libxenstore's arrays: pointers first, then the texts that they
// point to.
char** strings(const std::vector<std::string>& all) {
  std::size_t bytes = all.size() * sizeof(char*);
  for (const auto& text : all) bytes += text.size() + 1;
  auto* block = static_cast<char*>(std::calloc(1, bytes + 1));
  auto** pointers = reinterpret_cast<char**>(block);
  char* at = block + all.size() * sizeof(char*);
  for (std::size_t i = 0; i < all.size(); ++i) {
    pointers[i] = at;
    std::memcpy(at, all[i].data(), all[i].size());
    at += all[i].size() + 1;
  }
  return pointers;
}
bool below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top + "/");
}

}  // namespace

namespace hush::test {

std::string FakeXen::absolute(const std::string& path) {
  return path.starts_with('/') ? path : "/local/domain/0/" + path;
}
void FakeXen::changed(const std::string& path) {
  for (const auto& [watched, token] : watches)
    if (below(path, absolute(watched))) {
      // A watch on a relative path answers with relative ones.
      const std::size_t cut = watched.starts_with('/') ? 0 : std::strlen("/local/domain/0/");
      watch_events.emplace_back(path.substr(cut), token);
      if (watch_fd >= 0) eventfd_write(watch_fd, 1);
    }
}
void FakeXen::write(const std::string& path, const std::string& value) {
  const Lock lock(mutex);
  nodes[absolute(path)] = value;
  changed(absolute(path));
}
void FakeXen::remove(const std::string& path) {
  const Lock lock(mutex);
  const std::string top = absolute(path);
  std::erase_if(nodes, [&](const auto& node) { return below(node.first, top); });
  changed(top);
}
std::optional<std::string> FakeXen::read(const std::string& path) {
  const Lock lock(mutex);
  const auto found = nodes.find(absolute(path));
  return found == nodes.end() ? std::nullopt : std::optional(found->second);
}
std::uint64_t FakeXen::reads() {
  const Lock lock(mutex);
  return read_count;
}

}  // namespace hush::test

extern "C" {

xs_handle* xs_open(unsigned long) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (world.watch_fd < 0) world.watch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return reinterpret_cast<xs_handle*>(&world);
}
void xs_close(xs_handle*) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  world.watches.clear();
  world.watch_events.clear();
}
int xs_fileno(xs_handle*) {
  return FakeXen::get().watch_fd;
}
void* xs_read(xs_handle*, xs_transaction_t, const char* path, unsigned* length) {
  auto& world = FakeXen::get();
  const auto value = world.read(path);
  {
    const Lock lock(world.mutex);
    ++world.read_count;
  }
  if (!value) return errno = ENOENT, nullptr;
  auto* copy = static_cast<char*>(std::calloc(1, value->size() + 1));
  std::memcpy(copy, value->data(), value->size());
  if (length) *length = static_cast<unsigned>(value->size());
  return copy;
}
char** xs_directory(xs_handle*, xs_transaction_t, const char* path, unsigned* count) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  const std::string top = FakeXen::absolute(path) + "/";
  std::set<std::string> names;
  for (const auto& [node, value] : world.nodes)
    if (node.starts_with(top)) names.insert(node.substr(top.size(), node.find('/', top.size()) - top.size()));
  *count = static_cast<unsigned>(names.size());
  if (names.empty()) return errno = ENOENT, nullptr;
  return strings({names.begin(), names.end()});
}
bool xs_write(xs_handle*, xs_transaction_t, const char* path, const void* data, unsigned length) {
  FakeXen::get().write(path, std::string(static_cast<const char*>(data), length));
  return true;
}
bool xs_rm(xs_handle*, xs_transaction_t, const char* path) {
  FakeXen::get().remove(path);
  return true;
}
xs_permissions* xs_get_permissions(xs_handle*, xs_transaction_t, const char* path, unsigned* count) {
  if (!FakeXen::get().read(path)) return errno = ENOENT, nullptr;
  *count = 1;
  return static_cast<xs_permissions*>(std::calloc(1, sizeof(xs_permissions)));
}
bool xs_set_permissions(xs_handle*, xs_transaction_t, const char*, xs_permissions*, unsigned) {
  return true;
}
const char* xs_daemon_socket() {
  const auto& socket = FakeXen::get().store_socket;
  return socket.empty() ? nullptr : socket.c_str();
}
xs_transaction_t xs_transaction_start(xs_handle*) {
  return 1;
}
bool xs_transaction_end(xs_handle*, xs_transaction_t, bool) {
  return true;
}
bool xs_watch(xs_handle*, const char* path, const char* token) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  world.watches[path] = token;
  world.changed(FakeXen::absolute(path));  // fires once at once
  return true;
}
bool xs_unwatch(xs_handle*, const char* path, const char*) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  return world.watches.erase(path) > 0;
}
char** xs_check_watch(xs_handle*) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  eventfd_t ignored;
  if (world.watch_events.empty()) return eventfd_read(world.watch_fd, &ignored), errno = EAGAIN, nullptr;
  const auto [path, token] = world.watch_events.front();
  world.watch_events.erase(world.watch_events.begin());
  return strings({path, token});
}

}  // extern "C"
