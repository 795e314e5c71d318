// This process's one socket to the simxen server: identity, requests, and the pages that come with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>

#include "common/ipc/packet.hpp"
#include "tools/simxen/lib/domain_view.hpp"
#include "tools/simxen/wire/machine.hpp"
#include "tools/simxen/wire/message.hpp"

namespace hush::simxen {

class Connection {
 public:
  // Never destroyed: programs call the libraries from their own destructors and exit handlers.
  static Connection& instance();

  // Connects when needed. False with errno = ENOENT (as /dev/xen/* missing) when no server answers.
  bool open();
  // One round trip. False with errno when the server refused or is gone.
  bool ask(const Request& request, std::span<const std::byte> payload, ipc::Packet& packet, Reply& reply);
  bool ask(const Request& request, ipc::Packet& packet, Reply& reply) {
    return ask(request, {}, packet, reply);
  }
  bool ask(const Request& request);

  Machine& machine() const { return *machine_; }
  // The store and xl are not what is tested: their calls are neither counted nor failed nor delayed.
  void count(uint32_t domid, Primitive primitive, uint64_t by = 1) {
    if (!toolstack_) machine_->count(domid, primitive, by);
  }
  bool fails(uint32_t domid, Primitive primitive) { return !toolstack_ && machine_->fails(domid, primitive); }
  uint32_t event_delay_us() const {
    return toolstack_ ? 0 : machine_->event_delay_us.load(std::memory_order_relaxed);
  }
  // Changes when a fork made this another process: handles of the parent are then dead.
  uint32_t generation() const { return generation_.load(std::memory_order_relaxed); }
  uint32_t session() const { return session_; }
  uint32_t new_handle() { return next_handle_.fetch_add(1); }
  // Keeps the socket over execve, for a handle opened without close-on-exec (xenstored's live update).
  void survive_exec();

  // Makes sure that a current view of the domain is cached. False with errno when there is no such domain. An
  // incarnation of 0 stands for whatever lives under that number now.
  bool load_view(uint32_t domid, uint32_t incarnation = 0);
  // The views stay valid while the lock from lock_views() is held.
  std::shared_lock<std::shared_mutex> lock_views() { return std::shared_lock(*views_mutex_); }
  DomainView* view(uint32_t domid) const { return domid < kDomids ? views_[domid].get() : nullptr; }

 private:
  Connection();
  bool open_locked();
  bool greet_locked(UniqueFd socket, bool resumed);
  static void before_fork();
  static void after_fork_parent();
  static void after_fork_child();

  std::mutex mutex_;
  UniqueFd socket_;
  Machine* machine_ = nullptr;
  uint32_t session_ = 0;
  std::atomic<uint32_t> generation_{1};
  std::atomic<uint32_t> next_handle_{1};
  bool said_missing_ = false;
  bool toolstack_;
  // On the heap: a forked child takes a new one, whoever held this one.
  std::shared_mutex* views_mutex_ = new std::shared_mutex;
  std::unique_ptr<DomainView> views_[kDomids];
};

// The domain in whose name this thread opens handles: simxen_enter_domain()'s, else $SIMXEN_DOMID, else 0.
uint32_t acting_domid();

}  // namespace hush::simxen

// Lets one test process be two domains: handles that this thread opens from now on act as that domain.
extern "C" void simxen_enter_domain(uint32_t domid);
