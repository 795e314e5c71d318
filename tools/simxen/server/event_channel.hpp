// One end of an event channel, as the server keeps it.
#pragma once

#include <cstdint>
#include <memory>

#include "common/unique_fd.hpp"

namespace hush::simxen {

using EventFd = std::shared_ptr<UniqueFd>;

// Null with errno when descriptors ran out.
EventFd make_event();
void raise(const EventFd& event);

struct EventChannel {
  enum class State { unbound, interdomain, virq };

  uint32_t port = 0;
  State state = State::unbound;
  uint32_t remote_domid = 0;
  uint32_t remote_port = 0;  // interdomain only
  uint32_t virq = 0;         // virq only
  // Both ends' eventfds are made with the first end and wait here for whoever binds the other: a rebind after
  // a death needs nothing from the end that stayed.
  EventFd receive;
  EventFd notify;
  uint32_t session = 0;  // 0: the domain's own (its store channel)
  uint32_t handle = 0;
  // Unmap notifications that will use this port keep it open after its handle is gone, as evtchn_get() does
  // in Linux.
  uint32_t holds = 0;
  bool closing = false;
};

}  // namespace hush::simxen
