// The commands. Each returns the exit status or throws Failure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

// world.cpp
int serve(const World& world, const std::string& store, int ready_fd);
int up(const World& world, const std::string& store, uint32_t domains);
int down(const World& world);

// domains.cpp
int create(const World& world, const std::string& number, const std::string& name);
int kill_domain(const World& world, const std::string& domain, bool only_hypervisor);
int crash(const World& world, const std::string& domain);
int pause(const World& world, const std::string& domain, bool pause);

// run.cpp
struct RunOptions {
  std::string domain = "0";
  std::string netns;
  bool instrumented = false;
};
int run(const World& world, const RunOptions& options, const std::vector<std::string>& command);
int print_environment(const World& world, const std::string& domain);
int xl(const World& world, const std::string& netns, const std::vector<std::string>& arguments);
// The same for a command on a domain (its second word), which has to exist.
int change_device(const World& world, const std::string& netns, std::vector<std::string> arguments);
std::string preload_library(bool instrumented);

// show.cpp
int list(const World& world, bool json);
int counts(const World& world, bool json, bool reset);

// trouble.cpp
struct FaultOptions {
  std::string primitive;
  std::string mode;
  std::string value;
  std::string domain;
};
int fault(const World& world, const FaultOptions& options);
int delay(const World& world, const std::string& what, const std::string& microseconds);
int limit(const World& world, const std::string& pages, const std::string& domain);

}  // namespace hush::simxen
