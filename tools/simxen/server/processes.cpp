#include "tools/simxen/server/processes.hpp"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

namespace hush::simxen {
namespace {

pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.compare(0, 5, "PPid:") == 0) return std::stoi(line.substr(5));
  return 0;
}

// This process and those it was started by: a shell in the world that says 'simxen down' is not what it wants
// gone.
std::set<pid_t> own_line() {
  std::set<pid_t> line;
  for (pid_t pid = ::getpid(); pid > 0; pid = parent_of(pid)) line.insert(pid);
  return line;
}

std::vector<pid_t> with_mark(const std::function<bool(const std::string&)>& matches) {
  std::vector<pid_t> found;
  const std::set<pid_t> spared = own_line();
  const std::string key = std::string(kStartedIn) + "=";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "environ", std::ios::binary);
    std::string variable;
    while (std::getline(file, variable, '\0')) {
      if (variable.compare(0, key.size(), key) != 0) continue;
      const pid_t pid = std::stoi(name);
      if (spared.count(pid) == 0 && matches(variable.substr(key.size()))) found.push_back(pid);
      break;
    }
  }
  return found;
}

}  // namespace

std::string started_in(const World& world, uint32_t domid) {
  return std::to_string(domid) + " " + world.dir;
}

std::vector<pid_t> processes_started_in(const World& world, uint32_t domid) {
  return with_mark([mark = started_in(world, domid)](const std::string& value) { return value == mark; });
}

std::vector<pid_t> processes_started_in(const World& world) {
  return with_mark([&world](const std::string& value) {
    const size_t space = value.find(' ');
    return space != std::string::npos && value.substr(space + 1) == world.dir;
  });
}

void signal_started_in(const World& world, uint32_t domid, int signal) {
  for (const pid_t pid : processes_started_in(world, domid)) ::kill(pid, signal);
}

}  // namespace hush::simxen
