// Is the kernel's own front end noticed, made to let go, made to take a vif again? And gntalloc's limit. In a
// folder in the place of /sys.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "domu/kernel_netfront.hpp"
#include "domu/preflight.hpp"

namespace hush::domu {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

class KernelNetfrontTest : public testing::Test {
 protected:
  void SetUp() override {
    sysfs = testing::TempDir() + "hush_sysfs_" + std::to_string(getpid());
    fs::remove_all(sysfs);
    for (const char* file : {"bind", "unbind"}) put(driver() / file, "");
    fs::create_directories(device() / "net/eth7");
    fs::create_directories(driver() / "vif-3");
  }
  void TearDown() override { fs::remove_all(sysfs); }
  [[nodiscard]] fs::path driver() const { return sysfs / "bus/xen/drivers/vif"; }
  [[nodiscard]] fs::path device() const { return sysfs / "bus/xen/devices/vif-3"; }
  static void put(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  static std::string text_of(const fs::path& file) {
    std::ostringstream all;
    all << std::ifstream(file).rdbuf();
    return all.str();
  }
  static std::string why_not(const Result<void>& result) { return result ? "" : result.error().text; }
  [[nodiscard]] KernelNetfront kernel(std::uint32_t number = 3) const {
    return KernelNetfront(number, sysfs);
  }

  fs::path sysfs;
};

TEST_F(KernelNetfrontTest, OneDeviceIsItsAndOthersAreNot) {
  EXPECT_TRUE(kernel().drives());
  EXPECT_EQ(kernel().interface(), "eth7");
  EXPECT_FALSE(kernel(0).drives());
  EXPECT_EQ(kernel(0).interface(), "");
  EXPECT_TRUE(kernel(0).must_not_drive());
  EXPECT_THAT(why_not(kernel().must_not_drive()),
              AllOf(HasSubstr("--take-over"), HasSubstr("echo vif-3 > ")));
}

TEST_F(KernelNetfrontTest, IsToldTheDevicesName) {
  ASSERT_TRUE(kernel().let_go(5s));
  EXPECT_EQ(text_of(driver() / "unbind"), "vif-3");
  EXPECT_EQ(text_of(driver() / "bind"), "");
  ASSERT_TRUE(kernel().take(5s));
  EXPECT_EQ(text_of(driver() / "bind"), "vif-3");
}

TEST_F(KernelNetfrontTest, BeginsAnewByLettingGoWhereItDrives) {
  fs::remove_all(driver() / "vif-3");
  ASSERT_TRUE(kernel().begin_anew(5s));
  EXPECT_EQ(text_of(driver() / "unbind"), "");
  EXPECT_EQ(text_of(driver() / "bind"), "vif-3");
  fs::create_directories(driver() / "vif-3");
  ASSERT_TRUE(kernel().begin_anew(5s));
  EXPECT_EQ(text_of(driver() / "unbind"), "vif-3");
}

TEST_F(KernelNetfrontTest, AKernelThatWaitsForEverIsNotWaitedForSoLong) {
  fs::remove(driver() / "unbind");
  ASSERT_EQ(mkfifo((driver() / "unbind").c_str(), 0600), 0);  // nobody reads it: its opener waits
  const auto gone = kernel().let_go(50ms);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ETIMEDOUT);
  EXPECT_THAT(gone.error().text, HasSubstr("write vif-3 to " + (driver() / "unbind").string()));
  const std::ifstream reader(driver() / "unbind");  // and lets the process end that waits
}

TEST_F(KernelNetfrontTest, WhatTheKernelRefusesIsSaid) {
  fs::remove(driver() / "bind");
  fs::create_directories(driver() / "bind");
  EXPECT_THAT(why_not(kernel().take(5s)), AllOf(HasSubstr("write vif-3 to"), HasSubstr("Is a directory")));
  fs::remove_all(driver());
  EXPECT_THAT(why_not(kernel().take(5s)), HasSubstr("modprobe xen-netfront"));
}

TEST_F(KernelNetfrontTest, LetsGoOnlyWhereNothingIsLost) {
  if (geteuid() != 0) {
    EXPECT_THAT(why_not(kernel().can_let_go()), HasSubstr("as root"));
    return;
  }
  EXPECT_EQ(why_not(kernel().can_let_go()), "");
  // A port of a bridge can be one again, a VLAN cannot.
  fs::create_symlink("../../br0", device() / "net/eth7/master");
  fs::create_symlink("../../br0", device() / "net/eth7/upper_br0");
  EXPECT_EQ(why_not(kernel().can_let_go()), "");
  fs::create_symlink("../../eth7.5", device() / "net/eth7/upper_eth7.5");
  EXPECT_THAT(why_not(kernel().can_let_go()), HasSubstr("interface eth7.5 is built upon eth7"));
  fs::remove_all(device() / "net");
  EXPECT_EQ(why_not(kernel().can_let_go()), "") << "it has no interface yet";
  fs::remove(driver() / "unbind");
  EXPECT_THAT(why_not(kernel().can_let_go()), HasSubstr("initcall_blacklist=netif_init"));
}

TEST_F(KernelNetfrontTest, TheLimitOfGrantsIsRaisedAndNeverLowered) {
  const fs::path file = sysfs / "module/xen_gntalloc/parameters/limit";
  auto limit = raise_grant_limit(4000, sysfs);
  ASSERT_TRUE(limit) << "no module, no limit";
  EXPECT_EQ(limit->before, limit->now);
  put(file, "1024\n");
  limit = raise_grant_limit(4000, sysfs);
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->before, 1024U);
  EXPECT_EQ(limit->now, 5024U) << "others keep what they had";
  EXPECT_EQ(text_of(file), "5024");
  limit = raise_grant_limit(100, sysfs);
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->now, 5024U);
  EXPECT_EQ(text_of(file), "5024");
}

TEST_F(KernelNetfrontTest, ALimitThatCannotBeRaisedIsSaid) {
  const fs::path file = sysfs / "module/xen_gntalloc/parameters/limit";
  put(file, "1024\n");
  fs::permissions(file, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  const uid_t self = geteuid();
  ASSERT_EQ(seteuid(self == 0 ? 65534 : self), 0);  // no file is closed to root
  const auto limit = raise_grant_limit(4000, sysfs);
  ASSERT_EQ(seteuid(self), 0);
  ASSERT_FALSE(limit);
  EXPECT_THAT(limit.error().text, AllOf(HasSubstr("1024 pages"), HasSubstr("echo 5024 > ")));
}

}  // namespace
}  // namespace hush::domu
