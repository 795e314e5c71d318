// Domains: made, destroyed, crashed.

#include <cerrno>
#include <cstdint>

#include "tools/simxen/server/hypervisor.hpp"
#include "tools/simxen/wire/xen_headers.hpp"

namespace hush::simxen {

std::shared_ptr<Domain> Hypervisor::domain(uint32_t domid) const {
  const auto found = domains_.find(domid);
  return found == domains_.end() ? nullptr : found->second;
}

int Hypervisor::create_domain(uint32_t domid, const std::string& name) {
  if (domid >= kDomids) return EINVAL;
  if (domain(domid)) return EEXIST;
  auto fresh = Domain::create(domid, next_incarnation_++, name);
  if (!fresh) return errno;
  fresh->grant_limit = grant_limit_;
  // The toolstack's part: the store's page is granted to dom0 and its channel waits for the store.
  fresh->grant(kXenstoreGref) = {.state = Grant::State::shared, .to = 0, .writable = true};
  fresh->table().entries[kXenstoreGref].grant(0, true);
  EventChannel* channel = fresh->open_channel();
  channel->remote_domid = 0;
  channel->receive = make_event();
  channel->notify = make_event();
  if (!channel->receive || !channel->notify) return EMFILE;
  domains_[domid] = std::move(fresh);
  raise_virq(VIRQ_DOM_EXC);
  return 0;
}

int Hypervisor::destroy_domain(uint32_t domid) {
  const std::shared_ptr<Domain> gone = domain(domid);
  if (!gone) return ESRCH;
  if (domid == 0) return EINVAL;
  domains_.erase(domid);
  gone->alive = false;
  gone->table().dead.store(1);
  // What others have mapped stays readable: their mappings hold the memory, not this object.
  for (GrantEntry& entry : gone->table().entries) entry.revoke();
  while (!gone->channels().empty()) {
    EventChannel& channel = *gone->channels().begin()->second;
    channel.holds = 0;
    close_channel(*gone, channel.port);
  }
  for (auto mapping = mappings_.begin(); mapping != mappings_.end();) {
    const auto next = std::next(mapping);
    if (mapping->second.by == domid) {
      // A destroyed domain's kernel runs no more: it clears no byte and sends no event.
      mapping->second.notification = {};
      end_mapping(mapping->second);
      mappings_.erase(mapping);
    }
    mapping = next;
  }
  for (auto share = shares_.begin(); share != shares_.end();) {
    const auto next = std::next(share);
    if (share->second.owner == gone) {
      share->second.notification = {};
      end_share(share->second);
      shares_.erase(share);
    }
    share = next;
  }
  raise_virq(VIRQ_DOM_EXC);
  return 0;
}

void Hypervisor::crash_domain(Domain& domain) {
  domain.shut_down = true;
  domain.shutdown_reason = 3;  // SHUTDOWN_crash
  raise_virq(VIRQ_DOM_EXC);
}

void Hypervisor::raise_virq(uint32_t virq) {
  const auto control = domain(0);
  if (!control) return;
  for (const auto& [port, channel] : control->channels())
    if (channel->state == EventChannel::State::virq && channel->virq == virq) simxen::raise(channel->receive);
}

void Hypervisor::set_grant_limit(uint32_t domid, uint32_t pages) {
  if (domid == kAnyDomain) grant_limit_ = pages;
  for (auto& [id, each] : domains_)
    if (domid == kAnyDomain || domid == id) each->grant_limit = pages;
}

}  // namespace hush::simxen
