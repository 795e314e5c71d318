// hushctl doctor: what it says of a machine, and how it reads one from a tree of files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_folder.hpp"
#include "tools/hushctl/doctor.hpp"

namespace hush::hushctl {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

HostFacts good_host() {
  HostFacts host;
  host.on_xen = host.dom0 = host.netback_kept_away = host.xenstored = host.hotplug_script = true;
  host.gntdev = host.evtchn = host.gntalloc = host.xenbus = host.tun = Node::there;
  host.bridges = {"xenbr0"};
  host.masters = {{"vif1.0", "xenbr0"}};
  host.gntdev_limit = 1 << 20;
  return host;
}

DaemonFacts good_daemon() {
  return {true, "", false, {{"vif1.0", "vif1.0", "vif-bridge", "xenbr0", true, 4, ""}}};
}

std::vector<std::string> wrong(const HostFacts& host, const DaemonFacts& daemon) {
  std::vector<std::string> names;
  for (const auto& check : examine(host, daemon))
    if (!check.ok) names.push_back(check.name);
  return names;
}
std::string text(const HostFacts& host, const DaemonFacts& daemon, const std::string& name) {
  for (const auto& check : examine(host, daemon))
    if (check.name == name) return check.text;
  return "there is no such check";
}
using Names = std::vector<std::string>;

TEST(Doctor, FindsNothingWhereAllIsWell) {
  EXPECT_EQ(wrong(good_host(), good_daemon()), Names{});
}

TEST(Doctor, KernelNetbackIsInTheWay) {
  auto host = good_host();
  host.netback_loaded = true;
  host.netback_kept_away = false;
  EXPECT_EQ(wrong(host, good_daemon()), (Names{"kernel-netback", "modprobe.d"}));
  EXPECT_THAT(text(host, good_daemon(), "kernel-netback"), HasSubstr("modprobe -r xen-netback"));
  EXPECT_THAT(text(host, good_daemon(), "modprobe.d"), HasSubstr("install xen-netback /bin/false"));
  host.netback_devices = {"vif-1-0"};
  EXPECT_THAT(text(host, good_daemon(), "kernel-netback"), HasSubstr("vif-1-0"));
}

TEST(Doctor, ProfilesThatAreNotUsableAreSaid) {
  auto daemon = good_daemon();
  EXPECT_THAT(text(good_host(), daemon, "profiles"), HasSubstr("no such check")) << "an older daemon";
  daemon.profiles = "/var/lib/hushring/profiles.sqlite";
  EXPECT_EQ(wrong(good_host(), daemon), Names{});
  EXPECT_EQ(text(good_host(), daemon, "profiles"), daemon.profiles);
  daemon.profiles_trouble = "the disk is full: make room";
  EXPECT_EQ(wrong(good_host(), daemon), Names{"profiles"});
  EXPECT_THAT(text(good_host(), daemon, "profiles"), HasSubstr("make room"));
}

TEST(Doctor, EachDeviceHasItsFix) {
  auto host = good_host();
  host.gntdev = host.evtchn = host.gntalloc = host.xenbus = host.tun = Node::missing;
  EXPECT_EQ(wrong(host, good_daemon()), (Names{"/dev/xen/gntdev", "/dev/xen/evtchn", "/dev/xen/gntalloc",
                                               "/dev/xen/xenbus", "/dev/net/tun"}));
  EXPECT_THAT(text(host, good_daemon(), "/dev/xen/gntdev"), HasSubstr("modprobe xen-gntdev"));
  EXPECT_THAT(text(host, good_daemon(), "/dev/net/tun"), HasSubstr("modprobe tun"));
  host.tun = Node::not_permitted;
  EXPECT_THAT(text(host, good_daemon(), "/dev/net/tun"), HasSubstr("root"));
}

TEST(Doctor, AVifThatIsRoutedNeedsNoBridge) {
  auto host = good_host();
  host.bridges.clear();
  host.masters.clear();
  auto daemon = good_daemon();
  daemon.vifs[0].script = "vif-route";
  EXPECT_EQ(wrong(host, daemon), Names{});
}

TEST(Doctor, OnlyADaemonThatIsNotThereIsToBeStarted) {
  DaemonFacts daemon{false, "cannot talk to it: No such file or directory", true, {}};
  EXPECT_THAT(text(good_host(), daemon, "hush-backd"), HasSubstr("start it"));
  daemon.not_there = false;
  EXPECT_THAT(text(good_host(), daemon, "hush-backd"), testing::Not(HasSubstr("start it")));
}

TEST(Doctor, Bridges) {
  auto host = good_host();
  host.bridges.clear();
  host.masters.clear();
  EXPECT_EQ(wrong(host, good_daemon()), (Names{"bridge", "bridge-of-vif1.0"}));
  EXPECT_THAT(text(host, good_daemon(), "bridge"), HasSubstr("ip link add xenbr0 type bridge"));
  host.bridges = {"xenbr0"};
  EXPECT_EQ(wrong(host, good_daemon()), Names{"bridge-of-vif1.0"}) << "the interface is in no bridge";
  EXPECT_THAT(text(host, good_daemon(), "bridge-of-vif1.0"), HasSubstr("ip link set vif1.0 master xenbr0"));
  auto daemon = good_daemon();
  daemon.vifs[0].connected = false;
  EXPECT_EQ(wrong(host, daemon), Names{}) << "no script has run yet";
  host.bridges.clear();
  host.openvswitch = true;
  host.masters = {{"vif1.0", "ovs-system"}};
  EXPECT_EQ(wrong(host, good_daemon()), Names{});
}

TEST(Doctor, StoreScriptsAndLimits) {
  auto host = good_host();
  host.xenstored = host.hotplug_script = false;
  host.gntdev_limit = 1023;
  EXPECT_EQ(wrong(host, good_daemon()), (Names{"xenstored", "hotplug-scripts", "gntdev-limit"}));
  host.dom0 = false;
  EXPECT_EQ(wrong(host, good_daemon()), (Names{"hotplug-scripts", "gntdev-limit"}))
      << "a driver domain reaches the store through the device";
  host.gntdev_limit.reset();
  DaemonFacts many{true, "", false,
                   std::vector<VifFinding>(64, {"vif1.0", "vif1.0", "vif-bridge", "xenbr0", true, 8, ""})};
  EXPECT_EQ(wrong(host, many), (Names{"hotplug-scripts", "event-channels"}));
}

TEST(Doctor, TheDaemonAndFaults) {
  EXPECT_EQ(wrong(good_host(), {false, "cannot talk to hush-backd", true, {}}), Names{"hush-backd"});
  auto daemon = good_daemon();
  daemon.vifs[0].fault = "guest_tx ring index impossible";
  EXPECT_EQ(wrong(good_host(), daemon), Names{"fault-of-vif1.0"});
  EXPECT_THAT(text(good_host(), daemon, "fault-of-vif1.0"), HasSubstr("ring index impossible"));
}

class HostTree : public testing::Test {
 protected:
  void file(const std::string& path, const std::string& content = "") {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << content;
  }
  void directory(const std::string& path) { fs::create_directories(root_ + path); }
  const test::TempFolder folder_;
  const std::string root_ = folder_.path();
};

TEST_F(HostTree, AnEmptyMachineHasNothing) {
  const HostFacts host = gather_host_facts(root_);
  EXPECT_FALSE(host.on_xen || host.netback_loaded || host.xenstored || host.hotplug_script ||
               host.netback_kept_away);
  EXPECT_EQ(host.gntdev, Node::missing);
  EXPECT_TRUE(host.bridges.empty());
}

TEST_F(HostTree, AMachineIsReadFromItsFiles) {
  file("/sys/hypervisor/type", "xen\n");
  file("/proc/xen/capabilities", "control_d\n");
  directory("/sys/bus/xen-backend/drivers/vif/vif-1-0");
  file("/sys/bus/xen-backend/drivers/vif/bind");
  file("/dev/xen/gntdev");
  file("/dev/xen/gntalloc");
  file("/dev/net/tun");
  directory("/sys/class/net/xenbr0/bridge");
  directory("/sys/class/net/eth0");
  directory("/sys/class/net/vif1.0");
  fs::create_symlink("../xenbr0", root_ + "/sys/class/net/vif1.0/master");
  file("/sys/module/xen_gntdev/parameters/limit", "1048576\n");
  file("/etc/xen/scripts/vif-bridge");
  fs::permissions(root_ + "/etc/xen/scripts/vif-bridge", fs::perms::owner_all);
  const HostFacts host = gather_host_facts(root_);
  EXPECT_TRUE(host.on_xen && host.dom0 && host.netback_loaded && host.hotplug_script);
  EXPECT_EQ(host.netback_devices, Names{"vif-1-0"});
  EXPECT_EQ(host.gntdev, Node::there);
  EXPECT_EQ(host.evtchn, Node::missing);
  EXPECT_EQ(host.bridges, Names{"xenbr0"});
  EXPECT_EQ(host.masters.at("vif1.0"), "xenbr0");
  EXPECT_EQ(host.gntdev_limit, 1048576U);
}

TEST_F(HostTree, OnlyAnInstallLineKeepsNetbackAway) {
  const std::string path = "/etc/modprobe.d/hushring.conf";
  for (const char* line :
       {"blacklist xen-netback\n", "# install xen-netback /bin/false\n", "install xen-blkback /bin/false\n",
        "install xen-netback /sbin/modprobe x\n", ""}) {
    file(path, line);
    EXPECT_FALSE(gather_host_facts(root_).netback_kept_away) << line;
  }
  for (const char* line : {"# ours\n\ninstall xen-netback /bin/false\n", " install  xen_netback /bin/true"}) {
    file(path, line);
    EXPECT_TRUE(gather_host_facts(root_).netback_kept_away) << line;
  }
}

}  // namespace
}  // namespace hush::hushctl
