// Where a world's files lie.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

namespace hush::simxen {

// In the environment of the store and of xl: they belong to the world, not to what is tried in it.
inline constexpr const char* kToolstack = "SIMXEN_TOOLSTACK";

struct World {
  std::string dir;

  static World from_environment() {
    const char* dir = std::getenv("SIMXEN_DIR");
    return {dir != nullptr && *dir != '\0' ? dir : "/run/simxen"};
  }
  std::string socket() const { return dir + "/server.sock"; }
  std::string server_pid() const { return dir + "/server.pid"; }
  std::string store_pid() const { return dir + "/store.pid"; }
  std::string server_log() const { return dir + "/server.log"; }
  std::string store_log() const { return dir + "/store.log"; }
  std::string store_dir() const { return dir + "/store"; }
  std::string store_socket() const { return dir + "/store/socket"; }
  std::string host_dir() const { return dir + "/host"; }
  std::string xenbus(uint32_t domid) const { return dir + "/xenbus." + std::to_string(domid); }
};

}  // namespace hush::simxen
