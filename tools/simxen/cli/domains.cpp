// create, kill, crash, pause.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/simxen/cli/client.hpp"
#include "tools/simxen/cli/commands.hpp"
#include "tools/simxen/cli/failure.hpp"
#include "tools/simxen/cli/number.hpp"
#include "tools/simxen/cli/toolstack.hpp"

namespace hush::simxen {
namespace {

uint32_t guest(Client& client, const std::string& text) {
  const uint32_t domid = client.domain(text);
  if (domid == 0)
    throw Failure("domain 0 is the world itself; end it with 'simxen down', or name another domain",
                  kBadArguments);
  return domid;
}

void refuse_second(Client& client, uint32_t domid, const std::string& name) {
  const nlohmann::json all = client.report(kNamesOnly);
  for (const auto& domain : all["domains"])
    if (domain["domid"].get<uint32_t>() == domid || domain["name"].get<std::string>() == name)
      throw Failure("there is a domain " + domain["domid"].dump() + " named '" +
                        domain["name"].get<std::string>() +
                        "' already; 'simxen list' shows all, 'simxen create' alone takes a free number",
                    kBadArguments);
}

uint32_t unused_domid(Client& client) {
  uint32_t highest = 0;
  const nlohmann::json all = client.report(kNamesOnly);
  for (const auto& domain : all["domains"]) highest = std::max(highest, domain["domid"].get<uint32_t>());
  return highest + 1;
}

}  // namespace

int create(const World& world, const std::string& text, const std::string& name) {
  const uint32_t asked = text.empty() ? 0 : number(text, "domain number", 1, kDomids - 1);
  Client client(world);
  const uint32_t domid = asked != 0 ? asked : unused_domid(client);
  const std::string called = name.empty() ? "dom" + std::to_string(domid) : name;
  refuse_second(client, domid, called);
  client.ask({.op = Op::create_domain, .domid = domid}, called, "create domain " + std::to_string(domid));
  try {
    Toolstack(world).introduce(domid, called, client.uuid(domid));
  } catch (const Failure&) {
    client.try_ask({.op = Op::destroy_domain, .domid = domid});
    throw;
  }
  return 0;
}

int kill_domain(const World& world, const std::string& text, bool only_hypervisor) {
  Client client(world);
  const uint32_t domid = guest(client, text);
  if (only_hypervisor) {
    client.ask({.op = Op::destroy_domain, .domid = domid}, "destroy domain " + text);
    Toolstack(world).forget(domid);
    return 0;
  }
  if (::geteuid() != 0) return kill_domain(world, text, true);  // xl is for root
  // As a guest that crashes with on_crash=destroy: it stops at once, then the toolstack takes its devices
  // apart.
  client.ask({.op = Op::crash_domain, .domid = domid}, "crash domain " + text);
  return xl(world, {}, {"destroy", std::to_string(domid)});
}

int crash(const World& world, const std::string& text) {
  Client client(world);
  client.ask({.op = Op::crash_domain, .domid = guest(client, text)}, "crash domain " + text);
  return 0;
}

int pause(const World& world, const std::string& text, bool pause) {
  Client client(world);
  client.ask({.op = pause ? Op::pause_domain : Op::unpause_domain, .domid = guest(client, text)},
             (pause ? "pause domain " : "unpause domain ") + text);
  return 0;
}

}  // namespace hush::simxen
