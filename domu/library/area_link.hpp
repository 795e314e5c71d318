// A connection by an area (common/area/README.md): frames are written and read where they lie in it. What an
// application may do with it and what each call means is told in link.hpp.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "common/area/ring_pair.hpp"
#include "common/relay/counters.hpp"
#include "common/relay/progress.hpp"
#include "domu/library/doorbell.hpp"
#include "domu/library/wanted.hpp"
#include "domu/vif/queue_areas.hpp"

namespace hush {

class AreaLink {
 public:
  using Clock = std::chrono::steady_clock;

  // ---- sending

  [[nodiscard]] std::uint32_t max_frame() const { return rings_.out.max_frame(); }
  [[nodiscard]] std::byte* reserve(std::uint32_t length) { return rings_.out.reserve(length); }
  [[nodiscard]] bool has_room_for(std::uint32_t frames, std::uint32_t length) {
    return rings_.out.has_room_for(frames, length);
  }
  void commit(const area::Record& record) {
    rings_.out.commit(record);
    sent_.passed(record.length);
  }
  void publish() {
    if (rings_.out.unpublished())
      published(rings_.out.publish());
    else
      tell();
  }
  void publish_more() {
    if (rings_.out.unpublished()) published(rings_.out.publish_more());
  }
  [[nodiscard]] std::uint32_t unconsumed() {
    rings_.out.look();
    return rings_.out.waiting();
  }

  // ---- receiving

  [[nodiscard]] bool peek(area::Frame& frame) {
    while (rings_.in.peek(frame)) {
      if (area::offload_is_sound(frame.record)) [[likely]] {
        received_.passed(frame.record.length);
        return true;
      }
      received_.drop(relay::Drop::bad_offload);
    }
    tell();
    return false;
  }
  void release() {
    if (!rings_.in.unreleased()) return;
    relay::count_batch(counters_.in, received_);
    if (received_.dropped) [[unlikely]]
      relay::count_drops(counters_.in, received_);
    received_ = {};
    if (rings_.in.release()) [[unlikely]] {
      counters_.in.notifies_sent.add();
      notify();
    }
    if (rings_.in.switched()) [[unlikely]]
      cross();
  }

  // ---- the other end

  using Standstill = relay::Standstill;
  [[nodiscard]] const std::optional<Standstill>& standstill() const { return standstill_; }

  AreaLink(const AreaLink&) = delete;
  AreaLink& operator=(const AreaLink&) = delete;

 private:
  friend class DirectVif;
  friend class Link;
  // Granted to the peer, with its channel. ring: bytes of each. Everything given by reference outlives it.
  static Result<std::unique_ptr<AreaLink>> create(xen::GrantShare& shares, xen::EventChannels& channels,
                                                  DomId peer, EvtchnPort port, area::Sizes sizes,
                                                  area::Sleeps sleeps, relay::EndCounters& counters);
  AreaLink(xen::GrantShare& shares, xen::EventChannels& channels, DomId peer, EvtchnPort port,
           domu::SharedArea area, area::Sleeps sleeps, relay::EndCounters& counters);
  [[nodiscard]] xenstore::AreaAddress address() const { return area_->address(); }
  // Where the keys of its area lie.
  struct Place {
    boost::asio::io_context& loop;
    xenstore::Client& store;
    std::string device;   // the front end's directory
    std::string backend;  // the back end's
    std::function<void(const std::string&)> say;
  };
  // The back end has taken the area. stall: the bound of common/area/README.md, section 7.
  Result<void> start(const Place& place, std::chrono::milliseconds stall);
  [[nodiscard]] area::Sleeps sleeps() const { return rings_.last_sleeps(); }
  [[nodiscard]] area::Fault fault() const { return rings_.fault(); }

  // Its event came, and the port is masked.
  void on_event() {
    counters_.events.add();
    bell_.rang();
  }
  // Publishes and releases, then says that it sleeps. True: an event will come for what is wanted.
  [[nodiscard]] bool doze(const Wanted& wanted);
  void awake();
  // Does what is due; due() says when it is to be called again although nothing happens.
  void tick(Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> due() const;

  void notify() { bell_.ring(); }
  // A batch is visible. asleep: the other end is to be sent an event for it.
  void published(bool asleep) {
    relay::count_batch(counters_.out, std::exchange(sent_, {}));
    (asleep ? counters_.out.notifies_sent : counters_.out.notifies_saved).add();
    if (asleep) [[unlikely]]
      notify();
  }
  // What publish_more() has left open.
  void tell() {
    if (!rings_.tell()) return;
    counters_.out.notifies_sent.add();
    notify();
  }
  void look_for_switch();
  void watch(Clock::time_point now);
  void move(const area::View& next);
  void cross();

  xen::GrantShare& shares_;
  DomId peer_;
  EvtchnPort port_;
  Doorbell bell_;
  std::optional<domu::SharedArea> area_;     // until it is taken
  std::unique_ptr<domu::QueueAreas> areas_;  // from then on
  relay::EndCounters& counters_;
  area::RingPair rings_;
  relay::Tally sent_, received_;  // of the burst so far

  bool sleeping_ = false;  // the mode word has the number of a sleep
  bool waiting_ = false;   // the room word has
  std::chrono::milliseconds stall_{};
  relay::Progress progress_;
  std::optional<Clock::time_point> watch_due_;
  Clock::time_point moved_;      // when the other end was last seen to move
  std::uint32_t stands_at_ = 0;  // its index, while it stands still
  std::optional<Standstill> standstill_;
};

}  // namespace hush
