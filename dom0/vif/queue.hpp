// A queue of a connected vif, whichever path its packets take: NetifQueue, AreaQueue. Lives on one data
// thread, from the making to the destructor; everything here is called on it. The control thread holds it but
// only reads its counters.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/area/layout.hpp"
#include "common/event/data_thread.hpp"
#include "common/net/capture.hpp"
#include "common/ring/ring.hpp"
#include "dom0/vif/rate_limiter.hpp"
#include "dom0/vif/stall_watch.hpp"
#include "dom0/vif/tx_resumed.hpp"

namespace hush::dom0 {

struct BatchMemory;

// A data thread and the memory that its queues share.
struct Worker {
  std::unique_ptr<event::DataThread> thread;
  std::unique_ptr<BatchMemory> memory;
  std::size_t queues = 0;  // the control thread's count, for spreading
};

// A guest that takes no frames.
struct Stall {
  StallWatch::Time since;  // its first frame that waited, or when it was last seen to take one
  std::string cause;       // for an admin
};

// The rings of a queue as they stand, to be shown.
struct RingsLook {
  ring::Look tx, rx;
};
struct AreaLook {
  area::Header header;
  area::WordsLook tx, rx;
  bool peer_lives;
};

struct QueueLook {
  std::variant<RingsLook, AreaLook> rings;
  EvtchnPort tx_port, rx_port;                 // own ends of the channels
  std::string_view state;                      // "serving", "failed", or what it waits for
  std::optional<Stall> stall;                  // from the first frame that waits
  poll::Time expected;                         // between arrivals, on average (poll::Patience)
  std::optional<std::uint64_t> port_sum = {};  // of a port that measures: of what it took
  std::optional<TxResumed> resumed = {};       // of the netif path
};

struct QueueTimeouts {
  RxTimeouts rx;                           // of the netif path
  std::chrono::milliseconds area_stall{};  // of the area path
};

class Queue {
 public:
  // What a queue tells its owner, on the data thread.
  struct Reports {
    std::function<void(std::string reason)> fault;          // once: the guest lied, and the queue has stopped
    std::function<void(std::optional<Stall> stall)> stall;  // the guest stalled; none: not any more
  };

  virtual ~Queue() = default;
  Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Frames of both directions go to the file from now on; null ends it.
  virtual void capture_to(std::shared_ptr<net::Capture> capture) = 0;
  [[nodiscard]] virtual QueueLook look() const = 0;
  // What holds from now on. limiter: the vif's, which its queues share; null: no limit.
  virtual void limit_by(std::shared_ptr<RateLimiter> limiter) = 0;
  virtual void set_timeouts(QueueTimeouts timeouts) = 0;
  virtual void set_polling(const poll::Rules& rules) = 0;
};

}  // namespace hush::dom0
