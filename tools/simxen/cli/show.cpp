// list and counts.
#include <iomanip>
#include <iostream>

#include "tools/simxen/cli/client.hpp"
#include "tools/simxen/cli/commands.hpp"

namespace hush::simxen {
namespace {

using Json = nlohmann::json;

void print_domains(const Json& report) {
  std::cout << std::left << std::setw(6) << "domid" << std::setw(20) << "name" << std::right << std::setw(7)
            << "ports" << std::setw(8) << "grants" << std::setw(8) << "mapped"
            << "  state\n";
  for (const Json& domain : report["domains"]) {
    size_t mapped = 0;
    for (const Json& grant : domain["grants"]) mapped += grant["maps"].get<uint32_t>() > 0 ? 1 : 0;
    const char* state = domain["shutdown"].get<bool>() ? "crashed"
                        : domain["paused"].get<bool>() ? "paused"
                                                       : "running";
    std::cout << std::left << std::setw(6) << domain["domid"].get<uint32_t>() << std::setw(20)
              << domain["name"].get<std::string>() << std::right << std::setw(7) << domain["ports"].size()
              << std::setw(8) << domain["grants"].size() << std::setw(8) << mapped << "  " << state << "\n";
  }
}

void print_ports(const Json& report) {
  std::cout << "\nevent channels (domain:port)\n";
  for (const Json& domain : report["domains"])
    for (const Json& port : domain["ports"]) {
      const auto state = port["state"].get<std::string>();
      std::cout << "  " << domain["domid"] << ":" << port["port"] << " " << state;
      if (state == "virq") std::cout << " " << port["virq"];
      if (state != "virq") std::cout << " with " << port["remote_domid"];
      if (state == "interdomain") std::cout << ":" << port["remote_port"];
      std::cout << "\n";
    }
}

void print_maps(const Json& report) {
  std::cout << "\nmappings\n";
  for (const Json& map : report["maps"])
    std::cout << "  domain " << map["by"] << " has " << map["pages"] << " pages of domain " << map["of"]
              << " from gref " << map["first_gref"] << (map["writable"].get<bool>() ? "" : " (read-only)")
              << "\n";
}

void print_processes(const Json& report) {
  std::cout << "\nprocesses\n";
  for (const Json& process : report["processes"])
    std::cout << "  " << process["pid"] << " " << process["name"].get<std::string>() << " in domain "
              << process["domid"] << "\n";
}

}  // namespace

int list(const World& world, bool json) {
  const Json report = Client(world).report();
  if (json) {
    std::cout << report.dump(2) << "\n";
    return 0;
  }
  print_domains(report);
  print_ports(report);
  print_maps(report);
  print_processes(report);
  return 0;
}

int counts(const World& world, bool json, bool reset) {
  Client client(world);
  const Json report = client.report();
  Json all = Json::object();
  for (const Json& domain : report["domains"])
    all[std::to_string(domain["domid"].get<uint32_t>())] = domain["counts"];
  if (reset)
    for (auto& domain : client.machine().counters)
      for (auto& counter : domain) counter.store(0);
  if (json) {
    std::cout << all.dump(2) << "\n";
    return 0;
  }
  std::cout << std::left << std::setw(18) << "primitive";
  for (const auto& [domid, counters] : all.items()) std::cout << std::right << std::setw(12) << "dom" + domid;
  std::cout << "\n";
  for (const PrimitiveName& primitive : kPrimitiveNames) {
    std::cout << std::left << std::setw(18) << primitive.name;
    for (const auto& [domid, counters] : all.items())
      std::cout << std::right << std::setw(12) << counters[std::string(primitive.name)].get<uint64_t>();
    std::cout << "\n";
  }
  return 0;
}

}  // namespace hush::simxen
