#include "dom0/preflight.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/ipc/name_lock.hpp"

namespace hush::dom0 {
namespace fs = std::filesystem;

Result<void> check_no_kernel_netback() {
  const fs::path driver = "/sys/bus/xen-backend/drivers/vif";
  std::error_code failed;
  if (!fs::exists(driver, failed)) return {};
  std::string owned;
  for (const auto& entry : fs::directory_iterator(driver, failed))
    if (entry.path().filename().string().starts_with("vif-")) owned += " " + entry.path().filename().string();
  return error(
      "the kernel's xen-netback is loaded" + (owned.empty() ? "" : " and owns" + owned) +
          "; it would answer the vifs first. hush-install take-over changes hands, guests go on; or by hand: "
          "modprobe -r xen-netback; echo 'install xen-netback /bin/false' > /etc/modprobe.d/hushring.conf",
      EBUSY);
}

Result<UniqueFd> lock_run_directory(const std::string& directory) {
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) return error("cannot make " + directory + ": " + failed.message(), failed.value());
  const std::string path = directory + "/backd.lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error("cannot open " + path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return errno_error("another hush-backd holds " + path);
  if (auto done = sign_lock(fd); !done) return error(path + ": " + done.error().text, done.error().code);
  return fd;
}

// For who wants to end it (tools/install).
Result<void> sign_lock(const UniqueFd& lock) {
  const std::string id = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), id.data(), id.size(), 0) < 0)
    return errno_error("cannot write the lock file");
  return {};
}

Result<UniqueFd> lock_network() {
  auto lock = ipc::take_name("hush-backd");
  if (!lock && lock.error().code == EADDRINUSE)
    return error("another hush-backd serves here, with another --run-dir: pgrep -a hush-backd shows it",
                 EADDRINUSE);
  return lock;
}

void allow_shared_pages(std::size_t pages) {
  constexpr std::size_t kLeftToOthers = 1024;  // the kernel's default for all
  const fs::path limit = "/sys/module/xen_gntalloc/parameters/limit";
  std::size_t now = 0;
  if (!(std::ifstream(limit) >> now) || now >= pages + kLeftToOthers) return;
  std::ofstream(limit) << pages + kLeftToOthers;
}

}  // namespace hush::dom0
