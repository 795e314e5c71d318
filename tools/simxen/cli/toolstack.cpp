#include "tools/simxen/cli/toolstack.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/simxen/cli/failure.hpp"
#include "tools/simxen/wire/limits.hpp"

namespace hush::simxen {
namespace {

std::string local(uint32_t domid) {
  return "/local/domain/" + std::to_string(domid);
}

}  // namespace

Toolstack::Toolstack(const World& world) : world_(world) {
  ::setenv("XENSTORED_PATH", world.store_socket().c_str(), 1);
  store_.reset(xs_open(0));
  if (!store_)
    throw Failure("the store does not answer at " + world.store_socket() + ": " + std::strerror(errno) +
                  "; its log is " + world.store_log());
}

void Toolstack::make(const std::string& path, std::vector<xs_permissions> permissions) {
  if (!xs_mkdir(store_.get(), XBT_NULL, path.c_str()) ||
      !xs_set_permissions(store_.get(), XBT_NULL, path.c_str(), permissions.data(),
                          static_cast<unsigned>(permissions.size())))
    throw Failure("cannot make the store's node " + path + ": " + std::strerror(errno));
}

void Toolstack::write(const std::string& path, const std::string& value) {
  if (!xs_write(store_.get(), XBT_NULL, path.c_str(), value.data(), static_cast<unsigned>(value.size())))
    throw Failure("cannot write the store's node " + path + ": " + std::strerror(errno));
}

void Toolstack::make_readable(const std::string& path, uint32_t domid, const std::string& value) {
  write(path, value);
  xs_permissions permissions[2] = {{.id = 0, .perms = XS_PERM_NONE}, {.id = domid, .perms = XS_PERM_READ}};
  xs_set_permissions(store_.get(), XBT_NULL, path.c_str(), permissions, 2);
}

void Toolstack::describe_dom0() {
  write(local(0) + "/domid", "0");
  write(local(0) + "/name", "Domain-0");
  write("/libxl/0/type", "pv");
}

void Toolstack::introduce(uint32_t domid, const std::string& name, const std::string& uuid) {
  const std::vector<xs_permissions> toolstack_only{{.id = 0, .perms = XS_PERM_NONE}};
  const std::vector<xs_permissions> guest_reads{{.id = 0, .perms = XS_PERM_NONE},
                                                {.id = domid, .perms = XS_PERM_READ}};
  const std::vector<xs_permissions> guest_owns{{.id = domid, .perms = XS_PERM_NONE}};
  const std::string home = local(domid);
  const std::string vm = "/vm/" + uuid;
  const std::string libxl = "/libxl/" + std::to_string(domid);

  make(libxl, toolstack_only);
  write(libxl + "/type", "pv");
  make(libxl + "/device", toolstack_only);
  make(vm, guest_reads);
  make_readable(vm + "/name", domid, name);
  make_readable(vm + "/uuid", domid, uuid);
  make(home, guest_reads);
  make_readable(home + "/vm", domid, vm);
  make_readable(home + "/name", domid, name);
  make_readable(home + "/domid", domid, std::to_string(domid));
  for (const char* node : {"/device", "/control", "/cpu", "/memory"}) make(home + node, guest_reads);
  for (const char* node : {"/data", "/drivers", "/feature", "/attr", "/error", "/control/shutdown",
                           "/device/suspend", "/device/suspend/event-channel"})
    make(home + node, guest_owns);

  // libxl looks for this file before it changes a domain's devices.
  const std::filesystem::path userdata = world_.host_dir() + "/var/lib/xen";
  std::filesystem::create_directories(userdata);
  std::ofstream(userdata / ("userdata-d." + std::to_string(domid) + "." + uuid + ".libxl-json"))
      << nlohmann::json{{"c_info", {{"type", "pv"}, {"name", name}, {"uuid", uuid}}}}.dump();

  if (!xs_introduce_domain(store_.get(), domid, kXenstoreGref, kStorePort))
    throw Failure("the store refused domain " + std::to_string(domid) + ": " + std::strerror(errno));
}

void Toolstack::forget(uint32_t domid) {
  unsigned size = 0;
  const std::string link = local(domid) + "/vm";
  void* value = xs_read(store_.get(), XBT_NULL, link.c_str(), &size);
  const std::string vm(static_cast<char*>(value), value == nullptr ? 0 : size);
  std::free(value);
  for (const std::string& path : {vm, local(domid), "/libxl/" + std::to_string(domid)})
    if (!path.empty()) xs_rm(store_.get(), XBT_NULL, path.c_str());
  const std::string mark = "userdata-d." + std::to_string(domid) + ".";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(world_.host_dir() + "/var/lib/xen", error))
    if (entry.path().filename().string().compare(0, mark.size(), mark) == 0)
      std::filesystem::remove(entry.path(), error);
}

}  // namespace hush::simxen
