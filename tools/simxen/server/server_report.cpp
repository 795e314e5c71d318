// The server's state as JSON text, for 'simxen list' and 'simxen counts'.
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tools/simxen/server/server.hpp"

namespace hush::simxen {
namespace {

using Json = nlohmann::json;

const char* state_name(const EventChannel& channel) {
  switch (channel.state) {
    case EventChannel::State::unbound:
      return "unbound";
    case EventChannel::State::interdomain:
      return "interdomain";
    case EventChannel::State::virq:
      return "virq";
  }
  return "";
}

Json describe_channels(const Domain& domain) {
  Json list = Json::array();
  for (const auto& [port, channel] : domain.channels())
    list.push_back({{"port", port},
                    {"state", state_name(*channel)},
                    {"remote_domid", channel->remote_domid},
                    {"remote_port", channel->remote_port},
                    {"virq", channel->virq},
                    {"session", channel->session}});
  return list;
}

const char* state_name(Grant::State state) {
  switch (state) {
    case Grant::State::free:
      return "free";
    case Grant::State::shared:
      return "shared";
    case Grant::State::released:
      return "released";
    case Grant::State::draining:
      return "draining";
  }
  return "";
}

Json describe_grants(const Domain& domain) {
  Json list = Json::array();
  for (uint32_t gref = 0; gref < domain.grants().size(); ++gref) {
    const Grant& grant = domain.grants()[gref];
    if (grant.state == Grant::State::free) continue;
    list.push_back({{"gref", gref},
                    {"to", grant.to},
                    {"writable", grant.writable},
                    {"maps", grant.maps},
                    {"state", state_name(grant.state)}});
  }
  return list;
}

Json describe_counters(const Machine& machine, uint32_t domid) {
  Json counters = Json::object();
  for (size_t i = 0; i < kPrimitives; ++i)
    counters[std::string(kPrimitiveNames[i].name)] = machine.counters[domid][i].load();
  return counters;
}

UniqueFd in_memory(const std::string& text) {
  UniqueFd fd(::memfd_create("simxen-report", MFD_CLOEXEC));
  if (!fd) return {};
  for (size_t written = 0; written < text.size();) {
    const ssize_t part = ::write(fd.get(), text.data() + written, text.size() - written);
    if (part < 0) return {};
    written += static_cast<size_t>(part);
  }
  return fd;
}

}  // namespace

UniqueFd Server::report(uint32_t flags) const {
  Json domains = Json::array();
  if ((flags & kNamesOnly) != 0) {
    for (const auto& [domid, domain] : hypervisor_->domains())
      domains.push_back({{"domid", domid}, {"name", domain->name()}});
    return in_memory(Json{{"domains", domains}}.dump());
  }
  for (const auto& [domid, domain] : hypervisor_->domains())
    domains.push_back({{"domid", domid},
                       {"name", domain->name()},
                       {"paused", domain->paused},
                       {"shutdown", domain->shut_down},
                       {"grant_limit", domain->grant_limit},
                       {"shared_pages", domain->shared_pages},
                       {"ports", describe_channels(*domain)},
                       {"grants", describe_grants(*domain)},
                       {"counts", describe_counters(*machine_, domid)}});
  Json processes = Json::array();
  for (const auto& [id, session] : sessions_)
    if (session->greeted)
      processes.push_back(
          {{"session", id}, {"pid", session->pid}, {"domid", session->domid}, {"name", session->name}});
  Json maps = Json::array();
  for (const auto& [id, mapping] : hypervisor_->mappings())
    maps.push_back({{"by", mapping.by},
                    {"session", mapping.session},
                    {"of", mapping.pages.front().owner->domid()},
                    {"first_gref", mapping.pages.front().gref},
                    {"pages", mapping.pages.size()},
                    {"writable", mapping.writable}});
  return in_memory(
      Json{{"dir", world_.dir}, {"domains", domains}, {"processes", processes}, {"maps", maps}}.dump());
}

}  // namespace hush::simxen
