// The hypervisor's state and rules: what a domain may do with another's pages and ports. Knows no socket and
// no loop.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "tools/simxen/server/domain.hpp"
#include "tools/simxen/wire/machine.hpp"
#include "tools/simxen/wire/message.hpp"

namespace hush::simxen {

// Who asks: the process, one of its handles, and the domain in whose name.
struct Caller {
  uint32_t session = 0;
  uint32_t handle = 0;
  std::shared_ptr<Domain> domain;
};

class Hypervisor {
 public:
  explicit Hypervisor(Machine& machine) : machine_(machine) {}

  // domains
  std::shared_ptr<Domain> domain(uint32_t domid) const;
  const std::map<uint32_t, std::shared_ptr<Domain>>& domains() const { return domains_; }
  int create_domain(uint32_t domid, const std::string& name);
  int destroy_domain(uint32_t domid);
  void crash_domain(Domain& domain);
  // Called when something about domains changed that the store has to look at (VIRQ_DOM_EXC).
  void raise_virq(uint32_t virq);
  void set_grant_limit(uint32_t domid, uint32_t pages);

  // grants; each answers an errno, 0 for done
  int share(const Caller& caller, const Request& request, uint64_t& id, std::vector<uint32_t>& grefs);
  int unshare(const Caller& caller, uint64_t id);
  int map(const Caller& caller, const Request& request, std::span<const GrantName> names, uint64_t& id,
          std::vector<uint32_t>& incarnations);
  int unmap(const Caller& caller, uint64_t id);
  // Gives away what revoked pages no copy can touch any more. True while some are left: call again soon.
  bool drain();
  const std::map<uint64_t, Mapping>& mappings() const { return mappings_; }
  const std::map<uint64_t, Share>& shares() const { return shares_; }

  // event channels
  int bind_unbound(const Caller& caller, uint32_t remote_domid, EventChannel*& out);
  int bind_interdomain(const Caller& caller, uint32_t remote_domid, uint32_t remote_port, EventChannel*& out);
  int bind_virq(const Caller& caller, uint32_t virq, EventChannel*& out);
  int unbind(const Caller& caller, uint32_t port);
  void close_handle(uint32_t session, uint32_t handle);

  // Everything that a process held, at its death: notifications first, so that they still have their ports.
  void end_session(uint32_t session);
  // At an exec: everything but the event channels of handles that survive it.
  void exec_session(uint32_t session);

 private:
  struct Draining {
    std::shared_ptr<Domain> owner;
    uint32_t gref;
    std::vector<std::pair<unsigned, uint32_t>> copiers;  // index and the sequence seen at the revoke
  };

  int prepare_notification(const Caller& caller, const Request& request, std::shared_ptr<Domain> page_owner,
                           uint32_t gref, UnmapNotification& out);
  void notify_unmapped(UnmapNotification& notification);
  void end_mapping(Mapping& mapping);
  void end_share(Share& share);
  void revoke(const std::shared_ptr<Domain>& owner, uint32_t gref);
  void release_grants(uint32_t session);
  void close_channel(Domain& domain, uint32_t port);
  void close_channels(const std::function<bool(const EventChannel&)>& which);

  Machine& machine_;
  std::map<uint32_t, std::shared_ptr<Domain>> domains_;
  std::map<uint64_t, Mapping> mappings_;
  std::map<uint64_t, Share> shares_;
  std::vector<Draining> draining_;
  uint64_t next_id_ = 1;
  uint32_t next_incarnation_ = 1;
  uint32_t grant_limit_ = kDefaultGrantLimit;
};

}  // namespace hush::simxen
