#include "tools/hushctl/host_facts.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace hush::hushctl {
namespace {

namespace fs = std::filesystem;

// Names in a directory, sorted; none where it is not there.
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end; at.increment(failed))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

bool exists(const std::string& path) {
  std::error_code failed;
  return fs::exists(path, failed);
}

Node look_at(const std::string& path) {
  if (::access(path.c_str(), R_OK | W_OK) == 0) return Node::there;
  return errno == EACCES || errno == EPERM ? Node::not_permitted : Node::missing;
}

bool accepts(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::copy(path.begin(), path.end(), address.sun_path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool done = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return done;
}

// A line "install xen-netback /bin/false", or one like it. ("blacklist" is not enough: Xen's own start script
// loads the module by its name.)
bool keeps_netback_away(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string command, module, instead;
    words >> command >> module >> instead;
    if (command == "install" && (module == "xen-netback" || module == "xen_netback") &&
        (instead == "/bin/false" || instead == "/bin/true"))
      return true;
  }
  return false;
}

void look_at_interfaces(const std::string& root, HostFacts& facts) {
  const std::string net = root + "/sys/class/net";
  for (const auto& name : names_in(net)) {
    if (exists(net + "/" + name + "/bridge")) facts.bridges.push_back(name);
    if (name == "ovs-system") facts.openvswitch = true;
    std::error_code failed;
    const fs::path master = fs::read_symlink(net + "/" + name + "/master", failed);
    if (!failed) facts.masters[name] = master.filename().string();
  }
}

void look_at_netback(const std::string& root, HostFacts& facts) {
  const std::string driver = root + "/sys/bus/xen-backend/drivers/vif";
  facts.netback_loaded = exists(driver);
  for (const auto& name : names_in(driver))
    if (name.starts_with("vif-")) facts.netback_devices.push_back(name);
  for (const char* directory :
       {"/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"})
    for (const auto& name : names_in(root + directory))
      if (name.ends_with(".conf") && keeps_netback_away(content(root + directory + "/" + name)))
        facts.netback_kept_away = true;
}

}  // namespace

HostFacts gather_host_facts(const std::string& root) {
  HostFacts facts;
  facts.on_xen = content(root + "/sys/hypervisor/type").starts_with("xen");
  facts.dom0 = content(root + "/proc/xen/capabilities").find("control_d") != std::string::npos;
  look_at_netback(root, facts);
  facts.gntdev = look_at(root + "/dev/xen/gntdev");
  facts.evtchn = look_at(root + "/dev/xen/evtchn");
  facts.gntalloc = look_at(root + "/dev/xen/gntalloc");
  facts.xenbus = look_at(root + "/dev/xen/xenbus");
  facts.tun = look_at(root + "/dev/net/tun");
  for (const char* socket : {"/run/xenstored/socket", "/var/run/xenstored/socket"})
    facts.xenstored = facts.xenstored || accepts(root + socket);
  look_at_interfaces(root, facts);
  facts.hotplug_script = ::access((root + "/etc/xen/scripts/vif-bridge").c_str(), X_OK) == 0;
  std::uint64_t limit = 0;
  if (std::ifstream(root + "/sys/module/xen_gntdev/parameters/limit") >> limit) facts.gntdev_limit = limit;
  return facts;
}

}  // namespace hush::hushctl
