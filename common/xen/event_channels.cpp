#include "common/xen/event_channels.hpp"

#include <fcntl.h>

#include <string>
#include <utility>

#include "common/xen/dead_channels.hpp"

namespace hush::xen {

Result<EventChannels> EventChannels::open() {
  xenevtchn_handle* handle = xenevtchn_open(nullptr, 0);
  if (!handle) return errno_error("cannot open /dev/xen/evtchn (as root, on Xen: modprobe xen-evtchn)");
  // xenevtchn.h: xenevtchn_pending may block; with this it returns instead, and saves a poll a call.
  const int fd = xenevtchn_fd(handle);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return EventChannels{handle};
}

Result<EvtchnPort> EventChannels::alloc_unbound(DomId peer) {
  const int port = xenevtchn_bind_unbound_port(handle_.get(), peer.value);
  if (port < 0) return errno_error("allocate an event channel for domain " + std::to_string(peer.value));
  return EvtchnPort{static_cast<std::uint32_t>(port)};
}

Result<EvtchnPort> EventChannels::bind(DomId peer, EvtchnPort remote) {
  const int port = xenevtchn_bind_interdomain(handle_.get(), peer.value, remote.value);
  if (port < 0)
    return errno_error("bind event channel " + std::to_string(remote.value) + " of domain " +
                       std::to_string(peer.value));
  return EvtchnPort{static_cast<std::uint32_t>(port)};
}

void EventChannels::unbind(EvtchnPort port) {
  xenevtchn_unbind(handle_.get(), port.value);
}

bool EventChannels::notify(EvtchnPort port) {
  return xenevtchn_notify(handle_.get(), port.value) == 0;
}

std::optional<EvtchnPort> EventChannels::pending() {
  const int port = xenevtchn_pending(handle_.get());
  if (port < 0) return std::nullopt;
  return EvtchnPort{static_cast<std::uint32_t>(port)};
}

void EventChannels::unmask(EvtchnPort port) {
  xenevtchn_unmask(handle_.get(), port.value);
}

Result<void> EventChannels::begin_anew(const std::string& keeper) {
  handle_.get_deleter().dead = true;
  auto next = open();
  if (!next) return next.error();
  const auto kept = start_keeper_of_dead_channels(fd(), keeper);
  // With another copy of it somewhere, closing this one touches no port.
  if (kept) handle_.get_deleter().dead = false;
  *this = std::move(*next);
  return kept ? Result<void>() : kept.error();
}

}  // namespace hush::xen
