// Both directions of an area as one end has them, over its generations (README.md, section 10).
//
//   front end: lead(next): its SWITCH is out, and it sends on in the next area; once cross() says `over`,
//              nothing touches the area before any more
//   back end:  stage(next), before it answers; once cross() says `followed`, the same, and one event is due
//
// cross() is for the end of a turn: what was committed is published, what was peeked at is released.
//
// Not thread-safe: of one thread. The memory of every generation is the owner's.
#pragma once
#include <optional>

#include "common/area/layout.hpp"

namespace hush::area {

// Numbers of the last sleeps of an end: they go on over areas and connections.
struct Sleeps {
  std::uint32_t in = 0, out = 0;
};

class RingPair {
 public:
  explicit RingPair(const Side& side, Sleeps last = {})
      : in(consumer(side, last.in)), out(producer(side, last.out)), peer_lives_(side.peer_lives) {}

  SharedConsumer in;
  SharedProducer out;

  [[nodiscard]] Sleeps last_sleeps() const { return {in.last_sleep(), out.last_sleep()}; }
  [[nodiscard]] Fault fault() const { return in.fault() != Fault::none ? in.fault() : out.fault(); }
  [[nodiscard]] bool peer_lives() const { return !peer_lives_ || peer_lives_->load() != 0; }

  // The front end, awake and with nothing unpublished, ends guest_tx here and sends on in `next`. True: the
  // other end sleeps, and is to be sent one event.
  [[nodiscard]] bool lead(const Side& next) {
    const bool asleep = out.switch_over();
    out = producer(next, out.last_sleep());
    in.allow_switch(true);
    next_ = next;
    leads_ = true;
    peer_lives_ = next.peer_lives;  // who follows unmaps the old one, and its kernel clears the byte there
    return asleep;
  }
  // It leads, and the other end has not followed yet.
  [[nodiscard]] bool leads() const { return leads_; }

  // The back end is ready to go on in `next` when the other end leads.
  void stage(const Side& next) {
    next_ = next;
    in.allow_switch(true);
  }
  // It is not ready any more: a SWITCH is a fault again. False: there was one already. withdrawn: the other
  // end has said that there will be none; otherwise false as well where there may be one in what is not read
  // yet.
  [[nodiscard]] bool unstage(bool withdrawn) {
    if (!next_ || (!withdrawn && !in.is_empty())) return false;
    next_.reset();
    in.allow_switch(false);
    return true;
  }

  enum class Crossing : std::uint8_t { none, followed, over };
  [[nodiscard]] Crossing cross() {
    if (!in.switched() || !next_) return Crossing::none;
    const Side next = *next_;
    next_.reset();
    in = consumer(next, in.last_sleep());
    if (leads_) {
      leads_ = false;
      return Crossing::over;
    }
    peer_lives_ = next.peer_lives;
    (void)out.switch_over();  // an event is due in any case
    out = producer(next, out.last_sleep());
    return Crossing::followed;
  }

 private:
  static SharedConsumer consumer(const Side& side, std::uint32_t last_sleep) {
    return {*side.in_words, side.in_ring, side.in_max_frame, 0, last_sleep};
  }
  static SharedProducer producer(const Side& side, std::uint32_t last_sleep) {
    return {*side.out_words, side.out_ring, side.out_max_frame, 0, last_sleep};
  }

  std::optional<Side> next_;
  bool leads_ = false;
  const shm::SharedByte* peer_lives_;
};

}  // namespace hush::area
