// What stands behind xenevtchn_handle: an epoll set with one eventfd for each bound port.
//
// A notify is one write into the peer's eventfd, so the kernel makes it whole even when the notifier is
// killed. A port is watched with EPOLLONESHOT: taking its event masks it, arming it again unmasks it, and
// what came meanwhile is still there, once. The epoll descriptor is the handle's descriptor: readable exactly
// while an unmasked port is pending.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "tools/simxen/lib/connection.hpp"

struct xenevtchn_handle {
  static constexpr uint32_t kMaxPorts = hush::simxen::kDom0Ports;

  struct Port {
    std::atomic<int> receive{-1};
    std::atomic<int> notify{-1};
  };

  uint32_t id = 0;
  uint32_t domid = 0;
  uint32_t generation = 0;
  std::atomic<int64_t> restricted_to{-1};
  int epoll = -1;
  std::mutex mutex;
  std::unique_ptr<Port[]> ports = std::make_unique<Port[]>(kMaxPorts);

  xenevtchn_handle() = default;
  xenevtchn_handle(const xenevtchn_handle&) = delete;
  xenevtchn_handle& operator=(const xenevtchn_handle&) = delete;
  ~xenevtchn_handle();

  bool alive() const { return generation == hush::simxen::Connection::instance().generation(); }
  // Null when this handle did not bind the port.
  Port* find(uint32_t port) const;
  bool add(uint32_t port, hush::UniqueFd receive, hush::UniqueFd notify);
  void remove(uint32_t port);
};
