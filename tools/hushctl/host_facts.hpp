// What `hushctl doctor` looks at on this machine. Gathered here, judged in doctor.hpp.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hush::hushctl {

enum class Node : std::uint8_t { there, missing, not_permitted };

struct HostFacts {
  bool on_xen = false;                       // the kernel runs on Xen
  bool dom0 = false;                         // in the control domain; otherwise a guest, a driver domain
  bool netback_loaded = false;               // the kernel's xen-netback is a driver of the xen-backend bus
  std::vector<std::string> netback_devices;  // that it owns, as "vif-1-0"
  bool netback_kept_away = false;            // modprobe.d has an install line that keeps it from being loaded
  Node gntdev = Node::missing, evtchn = Node::missing, gntalloc = Node::missing, xenbus = Node::missing,
       tun = Node::missing;
  bool xenstored = false;  // its socket takes connections
  std::vector<std::string> bridges;
  bool openvswitch = false;
  std::map<std::string, std::string> masters;  // of interfaces that are plugged in somewhere
  bool hotplug_script = false;                 // /etc/xen/scripts/vif-bridge can be run
  std::optional<std::uint64_t> gntdev_limit;   // grants that may be mapped
};

// root: put before each path; empty for this machine. A test points it at a tree of its own.
[[nodiscard]] HostFacts gather_host_facts(const std::string& root);

}  // namespace hush::hushctl
