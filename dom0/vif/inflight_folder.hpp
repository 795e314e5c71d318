// The folder of in-flight files (common/inflight): one for each queue of each vif, as long as its
// connection lasts. Control thread only.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "common/result.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class InflightFolder {
 public:
  // Makes it in there where it is not: of this user, and writable to nobody else. Refused where it is not so,
  // or where no file can be made in it.
  static Result<InflightFolder> open(const std::string& run_directory);

  [[nodiscard]] std::string file(xenstore::VifId vif, std::size_t queue) const;
  // The vif's connection has ended: what was kept of it means nothing any more. Its queues do not use their
  // files from here on.
  [[nodiscard]] Result<void> forget(xenstore::VifId vif) const;
  // Removes the files of vifs that went while no daemon ran. Names that are none of ours stay.
  [[nodiscard]] Result<void> keep_only(const std::function<bool(std::string_view vif)>& is_there) const;

 private:
  explicit InflightFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace hush::dom0
