// The processes that 'simxen run' started, found by the mark in their environment: also those that never
// spoke to the server, and also when the server that knew them is gone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

inline constexpr const char* kStartedIn = "SIMXEN_STARTED_IN";  // "<domid> <dir>"

std::string started_in(const World& world, uint32_t domid);
std::vector<pid_t> processes_started_in(const World& world, uint32_t domid);
// Every domain of the world, dom0 and the server's own children too.
std::vector<pid_t> processes_started_in(const World& world);
void signal_started_in(const World& world, uint32_t domid, int signal);

}  // namespace hush::simxen
