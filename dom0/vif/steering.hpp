// Lays frames from a vif's TAP queues into the guest's queue that the guest's own mapping names. A vif has
// one when its front end brought a control ring; then all its queues live on one data thread, and so does
// this: no lock, no hop. As long as the guest has chosen no hash (on() is false) each queue reads its own TAP
// queue.
//
// A frame waits in the backlog of its queue, so that a queue whose guest posts no slots holds up no other. A
// full backlog drops, counted with the queue that the frame was for.
#pragma once
#include <functional>
#include <vector>

#include "common/netif/hash_state.hpp"
#include "dom0/vif/counters.hpp"
#include "dom0/vif/frame_backlog.hpp"
#include "dom0/vif/guest_tx.hpp"

namespace hush::dom0 {

class Steering {
 public:
  // memory: of the data thread; outlives this.
  Steering(std::uint32_t queues, BatchMemory& memory) : hash_(queues), lanes_(queues), memory_(memory) {}

  [[nodiscard]] netif::HashState& hash() { return hash_; }
  [[nodiscard]] bool on() const { return hash_.on(); }

  // wake: has the queue send what waits for it; must not do so itself, but soon. Null: the queue is gone.
  void join(std::size_t queue, QueueCounters& counters, std::function<void()> wake);
  void leave(std::size_t queue) { lanes_[queue].wake = nullptr; }
  [[nodiscard]] FrameBacklog& backlog(std::size_t queue) { return lanes_[queue].backlog; }

  // What hash() says has changed: a queue may have to look at its TAP queue for others now.
  void wake_all();

  // Reads at most a batch of frames from a TAP queue, lays each where it belongs, wakes who got one. Fault:
  // the TAP is gone.
  Pass spread(int tap);

 private:
  struct Lane {
    FrameBacklog backlog;
    QueueCounters* counters = nullptr;
    std::function<void()> wake;
  };
  void lay(WaitingFrame frame, std::span<const std::byte> bytes);

  netif::HashState hash_;
  std::vector<Lane> lanes_;
  BatchMemory& memory_;
};

}  // namespace hush::dom0
