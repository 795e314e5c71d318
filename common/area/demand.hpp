// What one direction of an area asks of its ring, counted at one end of it: from this its size is decided
// (dom0/area). A turn of the end costs a few instructions here; what is counted is taken by sample(), at even
// intervals of about 50 ms. No clock in here.
//
// Not thread-safe: turn() and sample() on the data thread of the end.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace hush::area {

// Bursts of 2^N to 2^(N+1) - 1 bytes, N the number of the class; the last class has all that are longer.
struct BurstClass {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t longest = 0;  // bytes
  std::uint64_t stalls = 0;   // turns of them in which the producer had no room
};
// The last class begins at 64 MiB, twice the largest ring.
inline constexpr std::size_t kBurstClasses = 27;

// A burst is what passes between two turns that found nothing. All in bytes of ring, with headers and
// padding.
struct DemandSample {
  std::uint64_t bytes = 0;
  std::uint64_t frames = 0;
  std::uint32_t longest = 0;     // frame
  std::uint32_t high_water = 0;  // most that lay in the ring at a look
  std::uint64_t stalls = 0;      // turns in which the producer had no room, in bursts or not
  std::uint64_t idle_turns = 0;  // that found nothing
  // Intervals through all of which one burst went on: it has no length, and is in no class.
  std::uint32_t saturated = 0;
  std::array<BurstClass, kBurstClasses> bursts{};

  // The two as one interval; `later` is the later one.
  DemandSample& operator+=(const DemandSample& later);
};

// The bursts up to this length carried so much of all that came in bursts; 0: there were none. By bytes and
// not by number: a consumer that polls sees each stray frame as a burst of its own, and a thousand of those
// must not hide the ten that found no room. Exact to the class: it is the longest burst in there.
[[nodiscard]] std::uint64_t burst_percentile(const DemandSample& sample, unsigned percent);

class Demand {
 public:
  // Which end counts. Only a producer knows when there is nothing to send; see ends_burst().
  enum class End : std::uint8_t { consumer, producer };
  explicit Demand(End end) : end_(end) {}

  struct Turn {
    std::uint32_t bytes = 0;    // by which the own index moved: records, padding, skips
    std::uint32_t frames = 0;   // in them
    std::uint32_t longest = 0;  // of these frames, bytes
    // Bytes in the ring: a consumer's before it took, a producer's after it put, by an index of the peer that
    // was read in this turn (Producer::look()): an older one makes any ring look full. 0: it was not read,
    // which may not be so in all turns of an interval, or the ring seems to be needed by nobody.
    std::uint32_t waiting = 0;
    bool no_room = false;  // for what the producer has; a consumer: for another frame as long as its longest
    bool found_nothing = false;  // to take, or to put: no frame came, and none is held back
  };
  void turn(const Turn& turn) {
    now_.bytes += turn.bytes;
    now_.frames += turn.frames;
    now_.longest = std::max(now_.longest, turn.longest);
    now_.high_water = std::max(now_.high_water, turn.waiting);
    burst_ += turn.bytes;
    if (turn.no_room) {
      ++now_.stalls;
      ++burst_stalls_;
      at_full_ = turn.waiting;
      since_full_ = 0;
    }
    since_full_ += turn.bytes;
    if (!turn.found_nothing) {
      in_gap_ = false;
      return;
    }
    ++now_.idle_turns;
    if (!in_gap_ && ends_burst()) end_burst();
    in_gap_ = true;
    at_full_ = 0;
  }

  // What was counted since the last call.
  [[nodiscard]] DemandSample sample() {
    // A producer that was on its way back from a full ring would have come meanwhile.
    if (now_.bytes == 0 && in_gap_) end_burst();
    if (whole_) {
      now_.saturated = 1;
      burst_ = burst_stalls_ = 0;
      endless_ = true;
    }
    whole_ = burst_ != 0 || endless_;
    const DemandSample taken = now_;
    now_ = {};
    return taken;
  }

 private:
  // A consumer that drained a full ring finds nothing, although the producer has more: it slept for room and
  // is on its way. Where nothing came but what lay in the ring when it was full, the burst goes on. Otherwise
  // a small ring would cut each burst to its own size, and never be seen to be too small.
  [[nodiscard]] bool ends_burst() const {
    return end_ == End::producer || at_full_ == 0 || since_full_ > at_full_;
  }
  void end_burst() {
    if (burst_ != 0 && !endless_) {
      auto& of = now_.bursts[std::min<std::size_t>(std::bit_width(burst_) - 1, kBurstClasses - 1)];
      ++of.count;
      of.bytes += burst_;
      of.longest = std::max(of.longest, burst_);
      of.stalls += burst_stalls_;
    }
    burst_ = burst_stalls_ = 0;
    endless_ = false;
    whole_ = false;
  }

  End end_;
  DemandSample now_;
  std::uint64_t burst_ = 0;         // bytes of the burst so far
  std::uint64_t burst_stalls_ = 0;  // and its stalls
  std::uint64_t at_full_ = 0;       // bytes in the ring when it was last full; 0: not since the last gap
  std::uint64_t since_full_ = 0;    // bytes that moved since then
  bool in_gap_ = true;              // the last turn found nothing
  bool endless_ = false;            // the burst filled an interval: what is left of it has no length
  bool whole_ = false;              // it goes on since before the last sample
};

inline std::uint64_t burst_percentile(const DemandSample& sample, unsigned percent) {
  std::uint64_t all = 0, upto = 0;
  for (const auto& of : sample.bursts) all += of.bytes;
  for (const auto& of : sample.bursts)
    if (upto += of.bytes; of.count != 0 && upto * 100 >= all * percent) return of.longest;
  return 0;
}

inline DemandSample& DemandSample::operator+=(const DemandSample& later) {
  bytes += later.bytes;
  frames += later.frames;
  longest = std::max(longest, later.longest);
  high_water = std::max(high_water, later.high_water);
  stalls += later.stalls;
  idle_turns += later.idle_turns;
  saturated += later.saturated;
  for (std::size_t i = 0; i < kBurstClasses; ++i) {
    bursts[i].count += later.bursts[i].count;
    bursts[i].bytes += later.bursts[i].bytes;
    bursts[i].longest = std::max(bursts[i].longest, later.bursts[i].longest);
    bursts[i].stalls += later.bursts[i].stalls;
  }
  return *this;
}

}  // namespace hush::area
