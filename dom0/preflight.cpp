#include "dom0/preflight.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

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
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::string_view kName = "hush-backd";  // after a 0: no file (unix(7), abstract)
  std::copy(kName.begin(), kName.end(), address.sun_path + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("cannot make a socket");
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + kName.size());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) return fd;
  const int why = errno;
  if (why != EADDRINUSE)
    return error("cannot take the name of hush-backd: " + std::string(std::strerror(why)), why);
  return error("another hush-backd serves here, with another --run-dir: pgrep -a hush-backd shows it", why);
}

void allow_shared_pages(std::size_t pages) {
  constexpr std::size_t kLeftToOthers = 1024;  // the kernel's default for all
  const fs::path limit = "/sys/module/xen_gntalloc/parameters/limit";
  std::size_t now = 0;
  if (!(std::ifstream(limit) >> now) || now >= pages + kLeftToOthers) return;
  std::ofstream(limit) << pages + kLeftToOthers;
}

}  // namespace hush::dom0
