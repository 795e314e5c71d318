// Both directions of an area as one end has them, over its generations (README.md, section 10).
//
//   front end: lead(next): its SWITCH is out, and it sends on in the next area; once cross() says `over`,
//              nothing touches the area before any more
//   back end:  stage(next), before it answers; once cross() says `followed`, the same, and one event is due
//
// cross() is for the end of a turn: what was committed is published, what was peeked at is released.
//
// An end that keeps where it stands (standing.hpp) calls took() after the effect of each frame, and what
// there is in both here instead of what `in` and `out` have: that way each store into its file comes before
// the one in the page, and a SWITCH that is read is followed by who comes after a kill.
//
// Not thread-safe: of one thread. The memory of every generation is the owner's.
#pragma once
#include <optional>

#include "common/area/layout.hpp"
#include "common/area/standing.hpp"
#include "common/inflight/file.hpp"
#include "common/step.hpp"

namespace hush::area {

// K: Keeper of standing.hpp.
template <class K>
class RingPairOf {
 public:
  // Where an end stands: 0 where an area begins.
  struct Positions {
    std::uint32_t in = 0, out = 0;
  };
  explicit RingPairOf(const Side& side, Sleeps last = {}) : RingPairOf(side, last, {0, 0}) {}
  RingPairOf(const Side& side, Sleeps last, Positions at)
      : in(consumer(side, last.in, at.in)),
        out(producer(side, last.out, at.out)),
        peer_lives_(side.peer_lives) {}

  SharedConsumer in;
  SharedProducer out;

  // The back end goes on where one that died stood, which is where this was made; first of all, but for
  // stage(). fault() is why it cannot.
  void take_over() {
    in.take_over();
    if (in.fault() == Fault::none) out.take_over();
  }
  // The back end begins in an area in which no front end goes by what it says yet: another one may have begun
  // there, published frames, and died before it said that it is connected.
  static void begin_anew(const Side& side) {
    side.out_words->produced.store(0, std::memory_order_release);
    side.out_words->room.store(0, std::memory_order_release);
    side.in_words->consumed.store(0, std::memory_order_release);
    side.in_words->mode.store(0, std::memory_order_release);
  }
  // The SWITCH of the back end in an area that it left, for one that died before it was published, or after.
  static void end_generation(const Side& left, std::uint32_t out_at) {
    (void)producer(left, 0, out_at).switch_over();  // an event is due in any case
  }

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

  // Where this end keeps where it stands, from now on; of the owner. null: nowhere.
  void keep(K* keeper) { keeper_ = keeper; }
  // The frame that was peeked at last has had its effect, as have those before it.
  void took() {
    if (keeper_) keeper_->took(in.position());
  }
  [[nodiscard]] bool release() {
    if (keeper_) {
      keeper_->took(in.position());
      if (in.switched() && keeper_->is_staged()) keeper_->leave();
      HUSH_STEP("area-tx-kept");
    }
    return in.release();
  }
  // After each batch: more may come with the next turn.
  [[nodiscard]] bool publish() {
    if (keeper_) keeper_->put(out.position());
    HUSH_STEP("area-rx-kept");
    return out.publish_more();
  }
  // Once nothing came with a turn. True: as publish().
  [[nodiscard]] bool tell() { return out.untold() && out.publish(); }
  [[nodiscard]] bool may_sleep() {
    if (keeper_) keeper_->sleeps(in.next_sleep());
    HUSH_STEP("area-sleep-kept");
    return in.may_sleep();
  }
  [[nodiscard]] bool wait_for_room(std::uint32_t length) {
    if (keeper_) keeper_->waits_for_room(out.next_sleep());
    return out.wait_for_room(length);
  }

  // The back end is ready to go on in `next` when the other end leads. seat: the same, for who keeps it.
  void stage(const Side& next, const Seat& seat = {}) {
    if (keeper_) keeper_->stage(seat);
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
    if (keeper_) keeper_->forget_other();
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
    HUSH_STEP("switch-released");
    (void)out.switch_over();  // an event is due in any case
    HUSH_STEP("switch-followed");
    out = producer(next, out.last_sleep());
    if (keeper_) keeper_->followed();
    return Crossing::followed;
  }

 private:
  static SharedConsumer consumer(const Side& side, std::uint32_t last_sleep, std::uint32_t at = 0) {
    return {*side.in_words, side.in_ring, side.in_max_frame, at, last_sleep};
  }
  static SharedProducer producer(const Side& side, std::uint32_t last_sleep, std::uint32_t at = 0) {
    return {*side.out_words, side.out_ring, side.out_max_frame, at, last_sleep};
  }

  K* keeper_ = nullptr;
  std::optional<Side> next_;
  bool leads_ = false;
  const shm::SharedByte* peer_lives_;
};
using MappedKeeper = Keeper<inflight::MappedWords>;
using RingPair = RingPairOf<MappedKeeper>;

}  // namespace hush::area
