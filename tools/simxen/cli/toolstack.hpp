// What a toolstack writes for a domain: its xenstore tree and libxl's file about it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include <xenstore.h>
}

#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

class Toolstack {
 public:
  // Throws Failure when the store cannot be reached.
  explicit Toolstack(const World& world);

  void describe_dom0();
  // Writes the tree as libxl does, and introduces the domain to the store.
  void introduce(uint32_t domid, const std::string& name, const std::string& uuid);
  // Removes what libxl would remove after a domain.
  void forget(uint32_t domid);

 private:
  struct Close {
    void operator()(xs_handle* handle) const { xs_close(handle); }
  };
  void make(const std::string& path, std::vector<xs_permissions> permissions);
  void write(const std::string& path, const std::string& value);
  void make_readable(const std::string& path, uint32_t domid, const std::string& value);

  World world_;
  std::unique_ptr<xs_handle, Close> store_;
};

}  // namespace hush::simxen
