#include "dom0/vif/inflight_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "common/inflight/file.hpp"
#include "dom0/vif/queue_name.hpp"
#include "xenstore/keys.hpp"

namespace hush::dom0 {
namespace fs = std::filesystem;

Result<InflightFolder> InflightFolder::open(const std::string& run_directory) {
  std::string path = run_directory + "/inflight";
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make " + path);
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return errno_error("cannot look at " + path);
  if (!S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 022) != 0)
    return error(path + " is no folder that only this user can write to: remove it", EPERM);
  // Root may write anywhere but to what is mounted read-only: said once here, and not of each queue.
  if (::access(path.c_str(), W_OK | X_OK) != 0) return errno_error("cannot write to " + path);
  return InflightFolder(std::move(path));
}

std::string InflightFolder::file(xenstore::VifId vif, std::size_t queue) const {
  return path_ + "/" + queue_name(xenstore::vif_name(vif), queue);
}

Result<void> InflightFolder::forget(xenstore::VifId vif) const {
  for (std::size_t queue = 0; queue < xenstore::kMaxQueues; ++queue)
    if (auto done = inflight::remove(file(vif, queue)); !done) return done;
  return {};
}

Result<void> InflightFolder::keep_only(const std::function<bool(std::string_view vif)>& is_there) const {
  std::error_code failed;
  for (fs::directory_iterator at(path_, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    const std::string_view vif = vif_of_queue(name);
    if (vif.empty() || is_there(vif)) continue;
    if (auto done = inflight::remove(at->path().string()); !done) return done;
  }
  return failed ? error("cannot read " + path_ + ": " + failed.message(), failed.value()) : Result<void>();
}

}  // namespace hush::dom0
