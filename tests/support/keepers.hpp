// Programs to keep dead event channels (common/xen/dead_channels.hpp), for tests.
#pragma once
#include <filesystem>
#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace hush::test {

// Says that it keeps them, and is gone: nobody has to end it, and a fake's channels are no descriptors.
class SwiftKeeper {
 public:
  SwiftKeeper() {
    std::ofstream(path()) << "#!/bin/sh\nprintf '\\001\\000\\000\\000' >&4\n";
    std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  }
  [[nodiscard]] std::string path() const { return folder_.path() / "keeper"; }

 private:
  TempFolder folder_;
};

}  // namespace hush::test
