// What hush-backd needs of a machine, each with what to do where it is missing. Pure: facts in, findings out.
#pragma once
#include <string>
#include <vector>

#include "tools/hushctl/host_facts.hpp"

namespace hush::hushctl {

// What the daemon says of a vif.
struct VifFinding {
  std::string name;
  std::string interface;
  std::string script = "vif-bridge";  // that plugs it in, without its folder
  std::string bridge;                 // that it is to be plugged into; empty: none is said
  bool connected = false;
  std::size_t queues = 0;
  std::string fault;
};

struct DaemonFacts {
  bool running = false;
  std::string why_not;     // what asking it ended with
  bool not_there = false;  // nobody listens
  std::vector<VifFinding> vifs;
  std::string profiles = {};          // its file of profiles; empty: it has none
  std::string profiles_trouble = {};  // why that is not usable, and what to do; empty: it is
};

struct Check {
  std::string name;
  bool ok = false;
  std::string text;  // what is so; where it is wrong, what to do as well
};

[[nodiscard]] std::vector<Check> examine(const HostFacts& host, const DaemonFacts& daemon);

}  // namespace hush::hushctl
