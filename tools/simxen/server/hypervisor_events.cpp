// Event channels.

#include <cerrno>
#include <cstdint>

#include "tools/simxen/server/hypervisor.hpp"
#include "tools/simxen/wire/xen_headers.hpp"

namespace hush::simxen {
namespace {

EventChannel* open_for(const Caller& caller) {
  EventChannel* channel = caller.domain->open_channel();
  if (channel == nullptr) return nullptr;
  channel->session = caller.session;
  channel->handle = caller.handle;
  return channel;
}

}  // namespace

int Hypervisor::bind_unbound(const Caller& caller, uint32_t remote_domid, EventChannel*& out) {
  EventFd receive = make_event();
  EventFd notify = make_event();
  if (!receive || !notify) return EMFILE;
  EventChannel* channel = open_for(caller);
  if (channel == nullptr) return errno;
  channel->remote_domid = remote_domid;
  channel->receive = std::move(receive);
  channel->notify = std::move(notify);
  out = channel;
  return 0;
}

int Hypervisor::bind_interdomain(const Caller& caller, uint32_t remote_domid, uint32_t remote_port,
                                 EventChannel*& out) {
  const auto remote_domain = domain(remote_domid);
  if (!remote_domain) return ESRCH;
  const EventChannel* waiting = remote_domain->channel(remote_port);
  if (waiting == nullptr || waiting->state != EventChannel::State::unbound || waiting->closing ||
      waiting->remote_domid != caller.domain->domid())
    return EINVAL;
  EventChannel* channel = open_for(caller);
  if (channel == nullptr) return errno;
  EventChannel& remote = *remote_domain->channel(remote_port);
  channel->state = remote.state = EventChannel::State::interdomain;
  channel->remote_domid = remote_domid;
  channel->remote_port = remote_port;
  channel->receive = remote.notify;
  channel->notify = remote.receive;
  remote.remote_port = channel->port;
  // Xen marks the binder's end pending, so that it does not miss what was sent before.
  simxen::raise(channel->receive);
  out = channel;
  return 0;
}

int Hypervisor::bind_virq(const Caller& caller, uint32_t virq, EventChannel*& out) {
  if (virq >= NR_VIRQS) return EINVAL;
  for (const auto& [port, channel] : caller.domain->channels())
    if (channel->state == EventChannel::State::virq && channel->virq == virq) return EEXIST;
  EventFd receive = make_event();
  EventFd nobody = make_event();
  if (!receive || !nobody) return EMFILE;
  EventChannel* channel = open_for(caller);
  if (channel == nullptr) return errno;
  channel->state = EventChannel::State::virq;
  channel->virq = virq;
  channel->receive = std::move(receive);
  channel->notify = std::move(nobody);
  out = channel;
  return 0;
}

void Hypervisor::close_channel(Domain& owner, uint32_t port) {
  EventChannel* channel = owner.channel(port);
  if (channel == nullptr) return;
  if (channel->holds > 0) {
    channel->closing = true;
    return;
  }
  if (channel->state == EventChannel::State::interdomain) {
    const auto remote_domain = domain(channel->remote_domid);
    EventChannel* remote = remote_domain ? remote_domain->channel(channel->remote_port) : nullptr;
    // The other end waits again for this domain, whoever of it comes.
    if (remote != nullptr && remote != channel) {
      remote->state = EventChannel::State::unbound;
      remote->remote_domid = owner.domid();
      remote->remote_port = 0;
    }
  }
  owner.erase_channel(port);
}

int Hypervisor::unbind(const Caller& caller, uint32_t port) {
  const EventChannel* channel = caller.domain->channel(port);
  if (channel == nullptr || channel->session != caller.session || channel->handle != caller.handle)
    return ENOTCONN;
  close_channel(*caller.domain, port);
  return 0;
}

void Hypervisor::close_channels(const std::function<bool(const EventChannel&)>& which) {
  for (const auto& [domid, each] : domains_) {
    std::vector<uint32_t> ports;
    for (const auto& [port, channel] : each->channels())
      if (which(*channel)) ports.push_back(port);
    for (const uint32_t port : ports) close_channel(*each, port);
  }
}

void Hypervisor::close_handle(uint32_t session, uint32_t handle) {
  close_channels(
      [=](const EventChannel& channel) { return channel.session == session && channel.handle == handle; });
}

}  // namespace hush::simxen
