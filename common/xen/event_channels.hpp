// Event channels, over libxenevtchn: one open /dev/xen/evtchn, one descriptor, many ports.
//
// The descriptor is readable while a port is pending and not masked; pending() returns that port and masks
// it until unmask(). Not thread-safe (libxenevtchn says so): one handle a thread. Ports are unbound when the
// handle closes, also by a crash.
#pragma once

#include <memory>
#include <optional>

#include "common/result.hpp"
#include "common/types.hpp"
#include "common/xen/c_api.hpp"

namespace hush::xen {

class EventChannels {
 public:
  static Result<EventChannels> open();

  [[nodiscard]] int fd() const { return xenevtchn_fd(handle_.get()); }  // owned by the handle
  // A port that the peer can bind to (front-end side).
  Result<EvtchnPort> alloc_unbound(DomId peer);
  // The other end of a port that the peer allocated. Xen makes the new port pending at once.
  Result<EvtchnPort> bind(DomId peer, EvtchnPort remote);
  void unbind(EvtchnPort port);
  // False: the call failed, and no event was sent (never on a healthy Xen). A peer that is gone is no
  // failure.
  bool notify(EvtchnPort port);
  // The next pending port, masked; nullopt when there is none.
  std::optional<EvtchnPort> pending();
  void unmask(EvtchnPort port);

 private:
  struct Close {
    void operator()(xenevtchn_handle* h) const { xenevtchn_close(h); }
  };
  explicit EventChannels(xenevtchn_handle* h) : handle_(h) {}
  std::unique_ptr<xenevtchn_handle, Close> handle_;
};

}  // namespace hush::xen
