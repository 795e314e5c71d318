// A connected vif in the hands of an application: frames in bursts, written and read where they lie in the
// area (common/area/README.md). DirectVif makes it, and is what the application opens (direct_vif.hpp).
//
//   send:     while ((place = link.reserve(length))) { write at place; link.commit({.length = length}); }
//             link.publish();      // makes all of them visible at once
//   receive:  while (link.peek(frame)) { read frame.bytes }
//             link.release();      // gives the room of all of them back at once
//
// Cost: no call takes a lock, allocates, or waits. publish() and release() make a system call (an event) only
// where the other end sleeps, or waits for room; the others never make one.
//
// The other end is not trusted. Each index and each record header is read once, checked and used from the
// copy; a lie ends the connection (DirectVif says so), and until then nothing is given or taken any more.
// Bytes of a received frame lie in memory that the other end can still write: copy what decides anything
// before looking at it.
//
// Lengths are in bytes, of whole Ethernet frames, 14 to max_frame(). Thread: the one of its DirectVif.
#pragma once
#include <chrono>
#include <memory>
#include <optional>

#include "common/area/ring_pair.hpp"
#include "common/event/storm_guard.hpp"
#include "common/relay/counters.hpp"
#include "common/relay/progress.hpp"
#include "common/xen/event_channels.hpp"
#include "domu/vif/queue_areas.hpp"

namespace hush {

// What an application waits for.
struct Wanted {
  bool frames = true;      // a frame to peek() at
  std::uint32_t room = 0;  // reserve() of so many bytes, at most max_frame(); 0: not waited for
};

class AreaLink {
 public:
  using Clock = std::chrono::steady_clock;

  // ---- sending

  // The longest frame that may be sent.
  [[nodiscard]] std::uint32_t max_frame() const { return rings_.out.max_frame(); }
  // A place for a frame of 14 to max_frame() bytes, in one piece; null where there is no room now. It is the
  // application's until commit(), or the next step() or wait() of its DirectVif: what is not committed by
  // then is to be reserved anew (it may have moved to another area). Room comes back when the other end
  // releases it: publish(), and wait with Wanted::room.
  [[nodiscard]] std::byte* reserve(std::uint32_t length) { return rings_.out.reserve(length); }
  // Is there room for a burst of frames of this length? (Of a burst that half of the ring does not hold: for
  // as much as that holds.) Who sends without end waits for whole bursts: both ends are busier with a full
  // ring otherwise.
  [[nodiscard]] bool has_room_for(std::uint32_t frames, std::uint32_t length) {
    return rings_.out.has_room_for(frames, length);
  }
  // The frame at the place reserved last is complete. record.length: at most what was reserved; its other
  // fields say what is left to do with it (checksum, segmentation), where the back end takes that.
  void commit(const area::Record& record) {
    rings_.out.commit(record);
    sent_.passed(record.length);
  }
  // Makes every frame committed so far visible, and wakes the other end if it sleeps.
  void publish() {
    if (!rings_.out.unpublished()) return;
    counters_.out.packets.add(sent_.packets);
    counters_.out.bytes.add(sent_.bytes);
    counters_.out.batches.add();
    sent_ = {};
    const bool asleep = rings_.out.publish();
    (asleep ? counters_.out.notifies_sent : counters_.out.notifies_saved).add();
    if (asleep) [[unlikely]]
      notify();
  }
  // Bytes of the ring, records and all, that are published and that the other end has not released now.
  [[nodiscard]] std::uint32_t unconsumed() {
    rings_.out.look();
    return rings_.out.waiting();
  }

  // ---- receiving

  // The next frame; false where there is none. Its bytes are the application's until release(). Frames whose
  // offload fields contradict each other are dropped and counted.
  [[nodiscard]] bool peek(area::Frame& frame) {
    while (rings_.in.peek(frame)) {
      if (area::offload_is_sound(frame.record)) [[likely]] {
        received_.passed(frame.record.length);
        return true;
      }
      received_.drop(relay::Drop::bad_offload);
    }
    return false;
  }
  // Gives the room of everything peeked at back, and wakes the other end if it waits for that.
  void release() {
    if (!rings_.in.unreleased()) return;
    counters_.in.packets.add(received_.packets);
    counters_.in.bytes.add(received_.bytes);
    counters_.in.batches.add();
    if (received_.dropped) [[unlikely]]
      counters_.in.drops[static_cast<std::size_t>(relay::Drop::bad_offload)].add(
          received_.drops[static_cast<std::size_t>(relay::Drop::bad_offload)]);
    received_ = {};
    if (rings_.in.release()) [[unlikely]] {
      counters_.in.notifies_sent.add();
      notify();
    }
    if (rings_.in.switched()) [[unlikely]]
      cross();
  }

  // ---- the other end

  // It takes nothing although there is something, for longer than the bound that the back end has named:
  // since when, and why. It is told once a bound. Sending goes on as far as there is room; what has none is
  // for the application to keep or to drop.
  using Standstill = relay::Standstill;
  [[nodiscard]] const std::optional<Standstill>& standstill() const { return standstill_; }

  ~AreaLink();
  AreaLink(const AreaLink&) = delete;
  AreaLink& operator=(const AreaLink&) = delete;

 private:
  friend class DirectVif;
  // Granted to the peer, with its channel. ring: bytes of each. Everything given by reference outlives it.
  static Result<std::unique_ptr<AreaLink>> create(xen::GrantShare& shares, xen::EventChannels& channels,
                                                  DomId peer, area::Sizes sizes, area::Sleeps sleeps,
                                                  relay::EndCounters& counters);
  AreaLink(xen::GrantShare& shares, xen::EventChannels& channels, DomId peer, EvtchnPort port,
           xen::SharedPages netif_rings, domu::SharedArea area, area::Sleeps sleeps,
           relay::EndCounters& counters);
  [[nodiscard]] xenstore::QueueAddress address() const;
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
  [[nodiscard]] EvtchnPort port() const { return port_; }
  [[nodiscard]] area::Sleeps sleeps() const { return rings_.last_sleeps(); }
  [[nodiscard]] area::Fault fault() const { return rings_.fault(); }

  // Its event came, and the port is masked.
  void on_event();
  // Publishes and releases, then says that it sleeps. True: an event will come for what is wanted.
  [[nodiscard]] bool doze(const Wanted& wanted);
  void awake();
  // Does what is due; due() says when it is to be called again although nothing happens.
  void tick(Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> due() const;

  void notify();
  void listen();
  void look_for_switch();
  void watch(Clock::time_point now);
  void move(const area::View& next);
  void cross();

  xen::EventChannels& channels_;
  EvtchnPort port_;
  xen::SharedPages netif_rings_;  // which the protocol wants to be named, and nobody uses
  xen::GrantShare& shares_;
  DomId peer_;
  std::optional<domu::SharedArea> area_;     // until it is taken
  std::unique_ptr<domu::QueueAreas> areas_;  // from then on
  relay::EndCounters& counters_;
  area::RingPair rings_;
  relay::Tally sent_, received_;  // of the burst so far

  bool sleeping_ = false;  // the mode word has the number of a sleep
  bool waiting_ = false;   // the room word has
  bool masked_ = false;    // an event came, and none is taken since
  bool owed_ = false;      // an event could not be sent
  event::StormGuard storm_;
  std::optional<Clock::time_point> late_;  // when events of a storm are taken again
  std::chrono::milliseconds stall_{};
  relay::Progress progress_;
  std::optional<Clock::time_point> watch_due_;
  Clock::time_point moved_;      // when the other end was last seen to move
  std::uint32_t stands_at_ = 0;  // its index, while it stands still
  std::optional<Standstill> standstill_;
};

}  // namespace hush
