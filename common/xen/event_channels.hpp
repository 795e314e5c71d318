// Event channels, over libxenevtchn: one open /dev/xen/evtchn, one descriptor, many ports.
//
// The descriptor is readable while a port is pending and not masked; pending() returns that port and masks
// it until unmask(). Not thread-safe (libxenevtchn says so): one handle a thread. Ports are unbound when the
// handle closes, also by a crash.
#pragma once

#include <memory>
#include <optional>
#include <string>

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

  // For a guest that was restored: a handle without ports takes the place of this one, whose ports have died
  // (dead_channels.hpp). keeper: the program that keeps them. Where that fails they stay open in this
  // process, also when it has no use for them any more, and the thread that ends it is stopped by the kernel.
  // Where there is no other handle, it is dead() until another call succeeds.
  Result<void> begin_anew(const std::string& keeper);
  // Its ports are: nothing closes it.
  [[nodiscard]] bool dead() const { return handle_.get_deleter().dead; }

 private:
  struct Close {
    bool dead = false;
    void operator()(xenevtchn_handle* h) const {
      if (!dead) xenevtchn_close(h);
    }
  };
  explicit EventChannels(xenevtchn_handle* h) : handle_(h, Close{}) {}
  std::unique_ptr<xenevtchn_handle, Close> handle_;
};

}  // namespace hush::xen
