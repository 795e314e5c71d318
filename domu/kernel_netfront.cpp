#include "domu/kernel_netfront.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

namespace hush::domu {
namespace fs = std::filesystem;
namespace {

bool is_there(const fs::path& path) {
  std::error_code failed;
  return fs::exists(path, failed);
}

// What a file of sysfs is told: the kernel acts within the write.
int tell(const char* file, const std::string& text) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  return ::write(fd, text.data(), text.size()) < 0 ? errno : 0;
}

// pidfd: of the process. A signal that comes meanwhile neither ends the wait nor makes it longer.
bool ends_within(int pidfd, std::chrono::milliseconds bound) {
  using Clock = std::chrono::steady_clock;
  const auto late = Clock::now() + bound;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(late - Clock::now()).count();
    pollfd ended{pidfd, POLLIN, 0};
    if (::poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) == 1) return true;
    if (left <= 0) return false;
  }
}

// In a process of its own, since no signal ends a wait of the kernel's. Between fork and _exit only what
// needs no lock.
Result<void> tell_each(std::initializer_list<fs::path> files, const std::string& text,
                       std::chrono::milliseconds bound) {
  const std::string what = "write " + text + " to " + (files.end() - 1)->string();
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    // Who ends the daemon ends all of its group: what has begun is finished here.
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);
    int failed = 0;
    for (const fs::path& file : files) failed = tell(file.c_str(), text);
    _exit(failed);
  }
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  const bool in_time = ends_within(fd, bound);
  ::close(fd);
  if (!in_time)
    return error(what + ": the kernel waits for the back end for more than " +
                     std::to_string(bound.count() / 1000) + " s",
                 ETIMEDOUT);
  int status = 0;
  if (::waitpid(child, &status, 0) < 0) return errno_error("waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (!WIFEXITED(status)) return error(what + ": ended by a signal");
  return error(what + ": " + std::generic_category().message(WEXITSTATUS(status)), WEXITSTATUS(status));
}

// Interfaces that the kernel takes away together with this one: VLANs and the like. A bridge stays.
std::string built_upon(const fs::path& interface) {
  std::error_code failed;
  const std::string master = fs::read_symlink(interface / "master", failed).filename();
  for (const auto& entry : fs::directory_iterator(interface, failed)) {
    const std::string name = entry.path().filename();
    constexpr std::string_view kUpper = "upper_";
    if (name.starts_with(kUpper) && name.substr(kUpper.size()) != master) return name.substr(kUpper.size());
  }
  return "";
}

}  // namespace

KernelNetfront::KernelNetfront(std::uint32_t device, fs::path sysfs)
    : device_(device),
      name_("vif-" + std::to_string(device)),
      bus_(std::move(sysfs) / "bus/xen"),
      driver_(bus_ / "drivers/vif") {}

fs::path KernelNetfront::device_folder() const {
  return bus_ / "devices" / name_;
}
bool KernelNetfront::loaded() const {
  return is_there(driver_);
}
bool KernelNetfront::has_device() const {
  return is_there(device_folder());
}
bool KernelNetfront::drives() const {
  return is_there(driver_ / name_);
}

std::string KernelNetfront::interface() const {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(device_folder() / "net", failed))
    return entry.path().filename();
  return "";
}

Result<void> KernelNetfront::must_not_drive() const {
  if (!drives()) return {};
  return error(
      "the kernel's xen-netfront drives " + name_ + ": say --take-over; or free it: echo " + name_ + " > " +
          (driver_ / "unbind").string() +
          ", and to keep it away: echo 'install xen-netfront /bin/false' > /etc/modprobe.d/hushring.conf",
      EBUSY);
}

Result<void> KernelNetfront::can_let_go() const {
  const std::string no = "cannot take " + name_ + " over from the kernel: ";
  if (::geteuid() != 0) return error(no + "run it as root", EPERM);
  if (!is_there(driver_ / "unbind") || !is_there(driver_ / "bind"))
    return error(no + "its xen-netfront has no " + (driver_ / "unbind").string() +
                     "; boot with initcall_blacklist=netif_init, which keeps it away",
                 ENOTSUP);
  const std::string had = interface();
  if (const std::string upper = built_upon(device_folder() / "net" / had); !had.empty() && !upper.empty())
    return error(no + "interface " + upper + " is built upon " + had +
                     " and would go with it; remove it, take over, make it again",
                 EBUSY);
  return {};
}

Result<void> KernelNetfront::let_go(std::chrono::milliseconds bound) const {
  return tell_each({driver_ / "unbind"}, name_, bound);
}

Result<void> KernelNetfront::take(std::chrono::milliseconds bound) const {
  if (!loaded())
    return error("the kernel has no xen-netfront to take " + name_ + " (modprobe xen-netfront)", ENODEV);
  return tell_each({driver_ / "bind"}, name_, bound);
}

Result<void> KernelNetfront::begin_anew(std::chrono::milliseconds bound) const {
  return drives() ? tell_each({driver_ / "unbind", driver_ / "bind"}, name_, bound) : take(bound);
}

}  // namespace hush::domu
