// Grants, what was made with them, and what happens when that ends.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tools/simxen/server/event_channel.hpp"
#include "tools/simxen/wire/limits.hpp"

namespace hush::simxen {

class Domain;

struct Grant {
  enum class State : uint8_t {
    free,
    shared,
    released,  // unshared while mapped: stays granted until the last mapping goes, as Linux defers it
    draining,  // revoked, but a copy that began before may still run
  };
  State state = State::free;
  uint32_t to = 0;
  bool writable = false;
  uint32_t maps = 0;
};

// What the kernel does for a process when its page goes: clear a byte, send an event.
struct UnmapNotification {
  std::shared_ptr<Domain> page_owner;
  uint32_t gref = 0;
  uint32_t offset = kNoNotify;
  std::shared_ptr<Domain> port_owner;
  uint32_t port = kNoNotify;
};

struct Share {
  uint64_t id = 0;
  uint32_t session = 0;
  std::shared_ptr<Domain> owner;
  std::vector<uint32_t> grefs;
  UnmapNotification notification;
};

struct Mapping {
  struct Page {
    std::shared_ptr<Domain> owner;
    uint32_t gref = 0;
  };
  uint64_t id = 0;
  uint32_t session = 0;
  uint32_t by = 0;
  bool writable = false;
  std::vector<Page> pages;
  UnmapNotification notification;
};

}  // namespace hush::simxen
