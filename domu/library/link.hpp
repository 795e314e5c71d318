// A connected vif in the hands of an application: frames in bursts, written and read where they lie in what
// is shared with the back end: in an area (common/area/README.md), or where it has none in the pages of
// netif.h's rings. DirectVif makes it, and is what the application opens (direct_vif.hpp).
//
//   send:     while ((place = link.reserve(length))) { write at place; link.commit({.length = length}); }
//             link.publish();      // makes all of them visible at once
//   receive:  while (link.peek(frame)) { read frame.bytes }
//             link.release();      // gives the room of all of them back at once
//
// Cost: no call takes a lock, allocates, or waits. publish(), publish_more() and release() make a system call
// (an event) only where the other end sleeps, or waits for room; the others never make one.
//
// The other end is not trusted. Each index, record header and response is read once, checked and used from
// the copy; a lie ends the connection (DirectVif says so), and until then nothing is given or taken any more.
// Bytes of a received frame lie in memory that the other end can still write: copy what decides anything
// before looking at it.
//
// Lengths are in bytes, of whole Ethernet frames, 14 to max_frame(). Thread: the one of its DirectVif.
#pragma once
#include <string_view>

#include "domu/library/area_link.hpp"
#include "domu/library/netif_link.hpp"

namespace hush {

class Link {
 public:
  enum class Path : std::uint8_t { area, netif };
  [[nodiscard]] Path path() const { return area_ ? Path::area : Path::netif; }
  // The one that is in use, with the same calls as here and without the branch in each, for loops in which
  // nanoseconds count; the other is null. Valid as long as this.
  [[nodiscard]] AreaLink* area() { return area_; }
  [[nodiscard]] NetifLink* netif() { return netif_; }

  // ---- sending

  // The longest frame that may be sent. (What the vif's MTU is, the toolstack says.)
  [[nodiscard]] std::uint32_t max_frame() const { return area_ ? area_->max_frame() : netif_->max_frame(); }
  // A place for a frame of 14 to max_frame() bytes, in one piece; null where there is no room now. It is the
  // application's until commit(), or the next step() or wait() of its DirectVif: what is not committed by
  // then is to be reserved anew (it may have moved to another area). Room comes back when the other end
  // releases it: publish(), and wait with Wanted::room.
  [[nodiscard]] std::byte* reserve(std::uint32_t length) {
    return area_ ? area_->reserve(length) : netif_->reserve(length);
  }
  // Is there room for a burst of frames of this length? (Of a burst that half of the ring does not hold: for
  // as much as that holds.) Who sends without end waits for whole bursts: both ends are busier with a full
  // ring otherwise.
  [[nodiscard]] bool has_room_for(std::uint32_t frames, std::uint32_t length) {
    return area_ ? area_->has_room_for(frames, length) : netif_->has_room_for(frames, length);
  }
  // The frame at the place reserved last is complete. record.length: at most what was reserved; its other
  // fields say what is left to do with it (checksum, segmentation), on a vif with Options::offloads only.
  void commit(const area::Record& record) { area_ ? area_->commit(record) : netif_->commit(record); }
  // Makes every frame committed so far visible, and wakes the other end if it sleeps.
  void publish() { area_ ? area_->publish() : netif_->publish(); }
  // The same where more is to be sent at once, and some ten times cheaper for short frames: an end that falls
  // asleep at this very moment is woken only by what is called next of publish(), publish_more(), a peek()
  // that finds nothing, and step() and wait() of the DirectVif. So not for the last burst before the
  // application turns to something else, nor before it waits for room. (By netif: publish().)
  void publish_more() { area_ ? area_->publish_more() : netif_->publish(); }
  // Bytes that are published and that the other end has not released now: records and all, or whole pages.
  [[nodiscard]] std::uint32_t unconsumed() { return area_ ? area_->unconsumed() : netif_->unconsumed(); }

  // ---- receiving

  // The next frame; false where there is none. Its bytes are the application's until release(). Frames that
  // an honest end does not send are dropped and counted. (After one that netif brought in several pages there
  // is none until release().)
  [[nodiscard]] bool peek(area::Frame& frame) { return area_ ? area_->peek(frame) : netif_->peek(frame); }
  // Gives the room of everything peeked at back, and wakes the other end if it waits for that.
  void release() { area_ ? area_->release() : netif_->release(); }

  // ---- the other end

  // It takes nothing although there is something, for longer than the bound that the back end has named:
  // since when, and why. It is told once a bound. Sending goes on as far as there is room; what has none is
  // for the application to keep or to drop. Of areas alone.
  using Standstill = relay::Standstill;
  [[nodiscard]] const std::optional<Standstill>& standstill() const {
    static const std::optional<Standstill> kNone;
    return area_ ? area_->standstill() : kNone;
  }

 private:
  friend class DirectVif;
  using Clock = std::chrono::steady_clock;
  explicit Link(AreaLink& area) : area_(&area) {}
  explicit Link(NetifLink& netif) : netif_(&netif) {}

  void on_event() { area_ ? area_->on_event() : netif_->on_event(); }
  [[nodiscard]] bool doze(const Wanted& wanted) { return area_ ? area_->doze(wanted) : netif_->doze(wanted); }
  void awake() {
    if (area_) area_->awake();
  }
  void tick(Clock::time_point now) { area_ ? area_->tick(now) : netif_->tick(now); }
  [[nodiscard]] std::optional<Clock::time_point> due() const { return area_ ? area_->due() : netif_->due(); }
  // What the other end did that no honest one does; empty: nothing.
  [[nodiscard]] std::string_view fault() const {
    if (area_)
      return area_->fault() == area::Fault::none ? std::string_view() : area::to_text(area_->fault());
    return netif_->fault() == domu::Fault::none ? std::string_view() : name(netif_->fault());
  }

  AreaLink* area_ = nullptr;
  NetifLink* netif_ = nullptr;  // exactly one of the two
};

}  // namespace hush
