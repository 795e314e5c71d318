// Nodes as they were, to be written again into a store that lost them. Control thread only.
#pragma once
#include <string>
#include <vector>

#include "xenstore/client.hpp"

namespace hush::xenstore {

struct Snapshot {
  // A guest can make as many nodes as its quota lets it: no more than these are kept, and the rest is not
  // missed.
  static constexpr std::size_t kMostNodes = 512;

  struct Node {
    std::string path, value;
    std::vector<View::Permission> permissions;
  };
  std::vector<Node> nodes;  // a node before those below it
};

// The node at path and all below it, as far as they are there.
Result<Snapshot> take_snapshot(const View& view, const std::string& path);
// Where they are there already they get these values.
Result<void> restore(const View& view, const Snapshot& snapshot);

}  // namespace hush::xenstore
