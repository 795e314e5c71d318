// What stands behind an end of an area: where it takes the frames that it sends, and puts those that it gets.
//
// A port moves frames in batches, in place: what it takes it leaves unreleased, what it gives unpublished;
// the end (AreaEnd) settles both once a batch. On the data thread of the queue.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "common/area/ring_pair.hpp"
#include "common/net/capture.hpp"

namespace hush::relay {

// Frames of a batch in one direction, at most.
inline constexpr std::uint32_t kBatch = 64;

// Why a frame ended here.
enum class Drop : std::uint8_t {
  bad_offload,   // of the peer: offload fields that contradict each other or the frame
  refused,       // the kernel did not take it (the interface is down, or the frame makes no sense)
  too_short,     // no Ethernet header
  too_long,      // longer than the ring's longest frame
  peer_stalled,  // the peer takes nothing
  unplugged,     // nothing is behind the port
};
inline constexpr std::size_t kDrops = 6;
[[nodiscard]] constexpr std::string_view name(Drop drop) {
  constexpr std::array<std::string_view, kDrops> kNames{"area_bad_offload",  "area_refused",
                                                        "area_too_short",    "area_too_long",
                                                        "area_peer_stalled", "area_unplugged"};
  return kNames[static_cast<std::size_t>(drop)];
}

// What a batch came to, in one direction.
struct Tally {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint32_t longest = 0;  // of these frames
  std::array<std::uint32_t, kDrops> drops{};
  bool dropped = false;

  // So many frames of this length; at least one.
  void passed(std::uint32_t length, std::uint64_t frames = 1) {
    packets += frames;
    bytes += frames * length;
    longest = std::max(longest, length);
  }
  void drop(Drop why) {
    ++drops[static_cast<std::size_t>(why)];
    dropped = true;
  }
  [[nodiscard]] bool moved() const { return packets != 0 || dropped; }
};

// Says how much may be taken of a peer that is limited. On the data thread.
class Meter {
 public:
  // May a frame of so many bytes pass now? If so it counts as passed.
  [[nodiscard]] virtual bool admits(std::uint32_t bytes) = 0;
  // When the frame that was not admitted may pass.
  [[nodiscard]] virtual std::chrono::steady_clock::time_point due() const = 0;

 protected:
  ~Meter() = default;
};

// Both directions of an end, for one turn.
struct Exchange {
  // Not an aggregate: one of this size is cleared by an instruction that takes longer than a short frame.
  Exchange(area::SharedConsumer& consumer, area::SharedProducer& producer, Meter* of_in, bool stalled,
           area::RingPair* both = nullptr)
      : in(consumer), out(producer), meter(of_in), out_stalled(stalled), rings(both) {}

  area::SharedConsumer& in;
  area::SharedProducer& out;
  Meter* meter;           // of in; null: no limit
  bool out_stalled;       // what there is to give is to be dropped
  area::RingPair* rings;  // in and out are of; null in tests: nothing is kept
  Tally taken{};
  Tally given{};
  bool short_of_credit = false;  // the meter did not admit the next frame

  // The frame that was peeked at last has had its effect: not to be had again after a kill. A port whose
  // effects end with this process need not say so; the end does, a batch at a time.
  void took() {
    if (rings) rings->took();
  }
};

class Port {
 public:
  virtual ~Port() = default;
  // One batch each way, as far as there are frames and room.
  virtual void turn(Exchange& exchange) = 0;
  // After a turn: bytes of a frame that lacks room in the ring to the peer; 0: none does.
  [[nodiscard]] virtual std::uint32_t lacks_room() const { return 0; }
  // After a turn: it takes nothing from the peer until it has room.
  [[nodiscard]] virtual bool holds_back() const { return false; }
  // Readable when it has frames to give; -1: it never waits for a descriptor.
  [[nodiscard]] virtual int fd() const { return -1; }
  // Where it has neither: the end is woken by what attach() gave (any thread may call it; null: the end is
  // gone) once rest() was true and there are frames to give, or room for what it holds back. False: there are
  // already. After each rest() comes an awake() before the next turn.
  virtual void attach(std::function<void()>) {}
  [[nodiscard]] virtual bool rest() { return true; }
  virtual void awake() {}
  // Of the bytes that it took, where it measures.
  [[nodiscard]] virtual std::optional<std::uint64_t> sum() const { return std::nullopt; }
  // Not empty: it cannot go on.
  [[nodiscard]] virtual std::string_view fault() const { return {}; }
  virtual void capture_to(net::Capture*) {}  // null: off
};

}  // namespace hush::relay
