// Grants: share, map, and what follows when either ends.
#include <algorithm>
#include <atomic>
#include <cerrno>

#include "tools/simxen/server/hypervisor.hpp"

namespace hush::simxen {

int Hypervisor::prepare_notification(const Caller& caller, const Request& request,
                                     std::shared_ptr<Domain> page_owner, uint32_t gref,
                                     UnmapNotification& out) {
  if (request.offset < kPageSize) {
    out.page_owner = std::move(page_owner);
    out.gref = gref;
    out.offset = request.offset;
  }
  if (request.port != kNoNotify) {
    EventChannel* channel = caller.domain->channel(request.port);
    if (channel == nullptr || channel->session == 0 || channel->closing) return EINVAL;
    ++channel->holds;
    out.port_owner = caller.domain;
    out.port = request.port;
  }
  return 0;
}

void Hypervisor::notify_unmapped(UnmapNotification& notification) {
  if (notification.page_owner) {
    std::byte& byte = notification.page_owner->page(notification.gref)[notification.offset];
    std::atomic_ref(byte).store(std::byte{0});
  }
  if (notification.port_owner) {
    if (EventChannel* channel = notification.port_owner->channel(notification.port)) {
      if (channel->state == EventChannel::State::interdomain) simxen::raise(channel->notify);
      if (channel->holds > 0 && --channel->holds == 0 && channel->closing)
        close_channel(*notification.port_owner, notification.port);
    }
  }
  notification = {};
}

int Hypervisor::share(const Caller& caller, const Request& request, uint64_t& id,
                      std::vector<uint32_t>& grefs) {
  Domain& owner = *caller.domain;
  if (request.count == 0) return EINVAL;
  if (request.count > owner.grant_limit || owner.shared_pages > owner.grant_limit - request.count)
    return ENOSPC;
  Share share{
      .id = next_id_, .session = caller.session, .owner = caller.domain, .grefs = {}, .notification = {}};
  const bool writable = (request.flags & kWritable) != 0;
  for (uint32_t i = 0; i < request.count; ++i) {
    const uint32_t gref = owner.take_gref();
    if (gref == kGrants) {
      for (const uint32_t taken : share.grefs) owner.give_back_gref(taken);
      return ENOSPC;
    }
    share.grefs.push_back(gref);
  }
  if (const int reason =
          prepare_notification(caller, request, caller.domain, share.grefs[0], share.notification)) {
    for (const uint32_t taken : share.grefs) owner.give_back_gref(taken);
    return reason;
  }
  for (const uint32_t gref : share.grefs) {
    owner.grant(gref) = {.state = Grant::State::shared, .to = request.domid, .writable = writable};
    owner.table().entries[gref].grant(request.domid, writable);
  }
  owner.shared_pages += request.count;
  id = next_id_++;
  grefs = share.grefs;
  shares_[id] = std::move(share);
  return 0;
}

void Hypervisor::end_share(Share& share) {
  notify_unmapped(share.notification);
  Domain& owner = *share.owner;
  owner.shared_pages -= static_cast<uint32_t>(share.grefs.size());
  for (const uint32_t gref : share.grefs) {
    // Linux cannot take back what another domain has mapped: it tries again later, and until then the grant
    // stands.
    if (owner.grant(gref).maps > 0 && owner.alive)
      owner.grant(gref).state = Grant::State::released;
    else
      revoke(share.owner, gref);
  }
}

int Hypervisor::unshare(const Caller& caller, uint64_t id) {
  const auto found = shares_.find(id);
  if (found == shares_.end() || found->second.session != caller.session) return EINVAL;
  Share share = std::move(found->second);
  shares_.erase(found);
  end_share(share);
  return 0;
}

void Hypervisor::revoke(const std::shared_ptr<Domain>& owner, uint32_t gref) {
  owner->table().entries[gref].revoke();
  if (!owner->alive) return;
  Draining wait{owner, gref, {}};
  for (unsigned i = 0; i < kCopiers; ++i) {
    const Copier& copier = machine_.copiers[i];
    const uint32_t sequence = copier.sequence.load(std::memory_order_seq_cst);
    if (copier.session.load() != 0 && (sequence & 1) != 0) wait.copiers.emplace_back(i, sequence);
  }
  if (wait.copiers.empty()) {
    owner->give_back_gref(gref);
    return;
  }
  owner->grant(gref).state = Grant::State::draining;
  draining_.push_back(std::move(wait));
}

bool Hypervisor::drain() {
  std::erase_if(draining_, [this](Draining& wait) {
    std::erase_if(wait.copiers, [this](const auto& seen) {
      const Copier& copier = machine_.copiers[seen.first];
      return copier.session.load() == 0 || copier.sequence.load() != seen.second;
    });
    if (!wait.copiers.empty()) return false;
    if (wait.owner->alive) wait.owner->give_back_gref(wait.gref);
    return true;
  });
  return !draining_.empty();
}

int Hypervisor::map(const Caller& caller, const Request& request, std::span<const GrantName> names,
                    uint64_t& id, std::vector<uint32_t>& incarnations) {
  const bool writable = (request.flags & kWritable) != 0;
  if (names.empty() || names.size() != request.count) return EINVAL;
  if (request.offset < kPageSize && !writable) return EINVAL;
  Mapping mapping{.id = next_id_,
                  .session = caller.session,
                  .by = caller.domain->domid(),
                  .writable = writable,
                  .pages = {},
                  .notification = {}};
  for (const GrantName& name : names) {
    auto owner = domain(name.domid);
    // Whatever Xen's status says, Linux's mmap of a grant fails with EINVAL.
    if (!owner || name.gref >= kGrants ||
        !GrantEntry::permits(owner->table().entries[name.gref].word.load(), mapping.by, writable))
      return EINVAL;
    incarnations.push_back(owner->incarnation());
    mapping.pages.push_back({std::move(owner), name.gref});
  }
  if (const int reason = prepare_notification(caller, request, mapping.pages[0].owner, mapping.pages[0].gref,
                                              mapping.notification))
    return reason;
  for (const Mapping::Page& page : mapping.pages) ++page.owner->grant(page.gref).maps;
  id = next_id_++;
  mappings_[id] = std::move(mapping);
  return 0;
}

void Hypervisor::end_mapping(Mapping& mapping) {
  notify_unmapped(mapping.notification);
  for (const Mapping::Page& page : mapping.pages) {
    Grant& grant = page.owner->grant(page.gref);
    if (--grant.maps == 0 && grant.state == Grant::State::released) revoke(page.owner, page.gref);
  }
}

int Hypervisor::unmap(const Caller& caller, uint64_t id) {
  const auto found = mappings_.find(id);
  if (found == mappings_.end() || found->second.session != caller.session) return EINVAL;
  Mapping mapping = std::move(found->second);
  mappings_.erase(found);
  end_mapping(mapping);
  return 0;
}

void Hypervisor::release_grants(uint32_t session) {
  for (auto mapping = mappings_.begin(); mapping != mappings_.end();) {
    if (mapping->second.session == session) {
      end_mapping(mapping->second);
      mapping = mappings_.erase(mapping);
    } else {
      ++mapping;
    }
  }
  for (auto share = shares_.begin(); share != shares_.end();) {
    if (share->second.session == session) {
      end_share(share->second);
      share = shares_.erase(share);
    } else {
      ++share;
    }
  }
}

void Hypervisor::end_session(uint32_t session) {
  // A killed copier is in no copy any more.
  for (Copier& copier : machine_.copiers) {
    if (copier.session.load() != session) continue;
    copier.sequence.store((copier.sequence.load() + 1) & ~1U);
    copier.session.store(0);
  }
  release_grants(session);
  close_channels([session](const EventChannel& channel) { return channel.session == session; });
}

void Hypervisor::exec_session(uint32_t session) {
  release_grants(session);
  close_channels([session](const EventChannel& channel) {
    return channel.session == session && (channel.handle & kKeptHandle) == 0;
  });
}

}  // namespace hush::simxen
