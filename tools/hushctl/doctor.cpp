#include "tools/hushctl/doctor.hpp"

#include <algorithm>

namespace hush::hushctl {
namespace {

// Ring pages that a vif maps, and channels that it binds, at most: 8 queues, two of each.
constexpr std::uint64_t kMapsOfVif = 16;
constexpr std::uint64_t kLeastMaps = 1024;
// What xl gives a domain unless its configuration says max_event_channels.
constexpr std::size_t kGuestChannels = 1023;

constexpr char kNetbackAway[] = "echo 'install xen-netback /bin/false' > /etc/modprobe.d/hushring.conf";

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Check xen(const HostFacts& host) {
  if (host.on_xen) return {"xen", true, host.dom0 ? "the control domain" : "a guest of Xen"};
  return {"xen", false,
          "this kernel does not run on Xen: boot the entry 'Xen hypervisor' (apt install xen-system)"};
}

Check kernel_netback(const HostFacts& host) {
  if (!host.netback_loaded) return {"kernel-netback", true, "not loaded"};
  if (host.netback_devices.empty())
    return {"kernel-netback", false,
            "xen-netback is loaded and would answer the vifs first: modprobe -r xen-netback"};
  return {"kernel-netback", false,
          "xen-netback is loaded and owns " + joined(host.netback_devices) +
              ": hush-install take-over changes hands, guests go on; or detach them, then modprobe -r "
              "xen-netback"};
}

Check modprobe_entry(const HostFacts& host) {
  if (host.netback_kept_away) return {"modprobe.d", true, "keeps xen-netback from being loaded"};
  return {"modprobe.d", false,
          "nothing keeps xen-netback from being loaded at the next start: " + std::string(kNetbackAway)};
}

Check device(const std::string& path, Node node, const std::string& fix) {
  switch (node) {
    case Node::there:
      return {path, true, "can be opened"};
    case Node::missing:
      return {path, false, "missing: " + fix};
    case Node::not_permitted:
      break;
  }
  return {path, false, "not permitted: run it as root"};
}

Check store(const HostFacts& host) {
  if (host.xenstored) return {"xenstored", true, "takes connections"};
  // Elsewhere the store is behind /dev/xen/xenbus.
  if (host.xenbus == Node::there && !host.dom0) return {"xenstored", true, "reached through /dev/xen/xenbus"};
  return {"xenstored", false,
          "cannot be reached: systemctl start xenstored (or: /etc/init.d/xencommons start)"};
}

Check any_bridge(const HostFacts& host, const DaemonFacts& daemon) {
  if (host.openvswitch) return {"bridge", true, "Open vSwitch"};
  const auto routed = [](const VifFinding& vif) { return vif.script != "vif-bridge"; };
  if (!daemon.vifs.empty() && std::all_of(daemon.vifs.begin(), daemon.vifs.end(), routed))
    return {"bridge", true, "no vif asks for one"};
  if (!host.bridges.empty()) return {"bridge", true, joined(host.bridges)};
  return {"bridge", false,
          "there is none to plug vifs into: ip link add xenbr0 type bridge && ip link set xenbr0 up (and "
          "your uplink: "
          "ip link set IF master xenbr0)"};
}

Check bridge_of(const VifFinding& vif, const HostFacts& host) {
  const std::string name = "bridge-of-" + vif.name;
  if (vif.script != "vif-bridge") return {name, true, "not for a bridge: " + vif.script};
  if (!vif.bridge.empty() && !host.openvswitch && !contains(host.bridges, vif.bridge))
    return {name, false,
            "there is no bridge " + vif.bridge + ": ip link add " + vif.bridge +
                " type bridge && ip link set " + vif.bridge + " up, then attach the vif again"};
  const auto master = host.masters.find(vif.interface);
  if (master != host.masters.end()) return {name, true, vif.interface + " is in " + master->second};
  if (vif.bridge.empty() || !vif.connected) return {name, true, "nothing is to be plugged in now"};
  return {name, false,
          vif.interface + " is in no bridge: ip link set " + vif.interface + " master " + vif.bridge};
}

Check scripts(const HostFacts& host) {
  if (host.hotplug_script) return {"hotplug-scripts", true, "/etc/xen/scripts/vif-bridge"};
  return {"hotplug-scripts", false,
          "/etc/xen/scripts/vif-bridge is missing or cannot be run: apt install xen-utils-common"};
}

Check gntdev_limit(const HostFacts& host, std::size_t vifs) {
  const std::uint64_t needed = std::max(kLeastMaps, kMapsOfVif * vifs);
  if (!host.gntdev_limit) return {"gntdev-limit", true, "none is set"};
  const std::string is = "is " + std::to_string(*host.gntdev_limit) + ", ";
  if (*host.gntdev_limit >= needed) return {"gntdev-limit", true, is + std::to_string(needed) + " would do"};
  return {
      "gntdev-limit", false,
      is + std::to_string(needed) + " are needed: echo 1048576 > /sys/module/xen_gntdev/parameters/limit"};
}

Check event_channels(const HostFacts& host, const DaemonFacts& daemon) {
  std::size_t used = 0;
  for (const auto& vif : daemon.vifs) used += 2 * vif.queues;
  const std::string is = "up to " + std::to_string(used) + " in use";
  if (host.dom0 || used < kGuestChannels * 9 / 10) return {"event-channels", true, is};
  return {
      "event-channels", false,
      is + " of the " + std::to_string(kGuestChannels) +
          " that a driver domain has: say max_event_channels=4096 in its xl configuration, or fewer queues "
          "(hushctl set max-queues 2 --default)"};
}

Check running(const DaemonFacts& daemon) {
  if (daemon.running) return {"hush-backd", true, std::to_string(daemon.vifs.size()) + " vifs"};
  if (daemon.not_there)
    return {"hush-backd", false, daemon.why_not + ": start it; its last line says why it does not stay"};
  return {"hush-backd", false, daemon.why_not + " (as root? does it hang? its log tells)"};
}

Check profiles(const DaemonFacts& daemon) {
  if (daemon.profiles_trouble.empty()) return {"profiles", true, daemon.profiles};
  return {"profiles", false, daemon.profiles_trouble};
}

Check fault_of(const VifFinding& vif) {
  return {"fault-of-" + vif.name, false,
          "cut off: " + vif.fault +
              ": it serves again when the guest's driver starts over (reboot the guest, or xl "
              "network-detach and network-attach)"};
}

}  // namespace

std::vector<Check> examine(const HostFacts& host, const DaemonFacts& daemon) {
  std::vector<Check> checks{
      xen(host),
      kernel_netback(host),
      modprobe_entry(host),
      device("/dev/xen/gntdev", host.gntdev, "modprobe xen-gntdev"),
      device("/dev/xen/evtchn", host.evtchn, "modprobe xen-evtchn"),
      device("/dev/xen/gntalloc", host.gntalloc,
             "modprobe xen-gntalloc (without it each grant copy costs three times as much)"),
      device("/dev/xen/xenbus", host.xenbus, "only a kernel that runs on Xen has it"),
      device("/dev/net/tun", host.tun, "modprobe tun"),
      store(host),
      any_bridge(host, daemon),
      scripts(host),
      gntdev_limit(host, daemon.vifs.size()),
      event_channels(host, daemon),
      running(daemon)};
  if (!daemon.profiles.empty()) checks.push_back(profiles(daemon));
  for (const auto& vif : daemon.vifs) {
    checks.push_back(bridge_of(vif, host));
    if (!vif.fault.empty()) checks.push_back(fault_of(vif));
  }
  return checks;
}

}  // namespace hush::hushctl
