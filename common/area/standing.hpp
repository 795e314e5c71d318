// Where the back end's end of an area stands, in a file that outlives it (common/inflight): so that the next
// back end goes on there, and not where the page says, which its guest can write (README.md, section 11).
//
// Every store is made before what it tells of is published in the page. Keeper: Words as of common/inflight.
// The rest is pure.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/area/layout.hpp"
#include "common/inflight/array.hpp"
#include "common/inflight/plan.hpp"
#include "common/result.hpp"
#include "common/step.hpp"

namespace hush::area {

// Numbers of the last sleeps of an end: they go on over areas and connections, and over restarts.
struct Sleeps {
  std::uint32_t in = 0, out = 0;
  bool operator==(const Sleeps&) const = default;
};

// An area as the file knows it: where it is found, and what tells that it is still the same.
struct Seat {
  Gref header_page;
  std::uint32_t pages = 0;  // of the whole area
  std::uint32_t generation = 0;
  Sizes rings{};
  std::uint32_t guest_tx_max_frame = 0;
  std::uint32_t guest_rx_max_frame = 0;

  bool operator==(const Seat&) const = default;
};
[[nodiscard]] Seat seat_of(Gref header_page, const Header& header);
// Why an area with this header (a private copy) is not the one that was there; nullopt: it is.
[[nodiscard]] std::optional<std::string_view> refusal_to_resume(const Header& header, const Seat& seat);

struct Standing {
  enum class Step : std::uint32_t {
    alone = 1,  // there is no other area
    staged,     // the other is mapped: the front end may switch over to it, if it was told so
    left,       // the other was before this one: our SWITCH there was published, or is to be
  };
  Step step = Step::alone;
  std::uint32_t slot = 0;  // of the two that the file has for seats: where `seat` is
  Seat seat{}, other{};
  std::uint32_t consumed = 0;        // of guest_tx: what is before it has had its effect
  std::uint32_t produced = 0;        // of guest_rx: what is before it is published, or is to be
  std::uint32_t other_produced = 0;  // of guest_rx in the area that was left: where our SWITCH stands
  Sleeps sleeps{};                   // numbers that were used
  std::uint32_t advices = 0;         // likewise, of advices

  bool operator==(const Standing&) const = default;
};

// ---- the words of a file, behind the header of common/inflight, all of them sealed

inline constexpr inflight::Geometry kStandingShape{};  // no slots: it is no ring
inline constexpr std::size_t kPlaceAt = 8;             // which seat, and the step
inline constexpr std::size_t kModeAt = 9, kRoomAt = 10, kAdvicesAt = 11;
inline constexpr std::size_t kConsumedAt = 12, kProducedAt = 14;  // of two seats each
inline constexpr std::size_t kSeatsAt = 16, kSeatWords = 8;       // the last one of each is 0
inline constexpr std::size_t kStandingWords = 32;

// What the words say (a private copy); the error is the reason why they are not believed.
[[nodiscard]] Result<Standing> read_standing(std::span<const std::uint64_t> words,
                                             const inflight::Identity& identity);
// The words of a new file that say this.
[[nodiscard]] std::vector<std::uint64_t> new_standing(const inflight::Identity& identity, const Standing& at);

[[nodiscard]] std::array<std::uint32_t, kSeatWords - 1> pack(const Seat& seat);
constexpr std::uint32_t pack_place(std::uint32_t slot, Standing::Step step) {
  return slot | static_cast<std::uint32_t>(step) << 8;
}

// The file at work. Stores and never loads; no allocation and no system call. Of the thread of the end.
template <inflight::Words W>
class Keeper {
 public:
  // words: say `at` already.
  Keeper(W words, const Standing& at)
      : words_(std::move(words)), step_(at.step), in_(at.slot), out_(at.slot) {}

  // guest_tx: everything before this position has had its effect. For each frame, after its effect, before
  // the next one's; and before the position is published.
  void took(std::uint32_t position) { store(kConsumedAt + in_, position); }
  // guest_rx: before it is published.
  void put(std::uint32_t position) { store(kProducedAt + out_, position); }
  // Numbers of sleeps, before they are published.
  void sleeps(std::uint32_t number) { store(kModeAt, number); }
  void waits_for_room(std::uint32_t number) { store(kRoomAt, number); }
  // The number of an advice, before it is written.
  void advises(std::uint32_t number) { store(kAdvicesAt, number); }

  // Another area is ready: before the front end is told, and before its SWITCH may be read.
  void stage(const Seat& next) {
    const std::uint32_t other = 1 - in_;
    const auto packed = pack(next);
    for (std::size_t i = 0; i < packed.size(); ++i) store(kSeatsAt + other * kSeatWords + i, packed[i]);
    store(kConsumedAt + other, 0);
    store(kProducedAt + other, 0);
    HUSH_STEP("switch-seat-written");
    place(in_, Standing::Step::staged);  // last: now it is believed
  }
  // The SWITCH of guest_tx was read: before that is published, with everything before it taken. From here on
  // a restart follows; what is put until followed() is in the area that is left.
  void leave() {
    HUSH_STEP("switch-read");
    in_ = 1 - in_;
    place(in_, Standing::Step::left);
    HUSH_STEP("switch-left");
  }
  [[nodiscard]] bool is_staged() const { return step_ == Standing::Step::staged; }
  // Our own SWITCH is published.
  void followed() { out_ = in_; }
  // The other area is not needed any more, ready or left: before it is unmapped.
  void forget_other() { place(in_, Standing::Step::alone); }

 private:
  void store(std::size_t place, std::uint32_t value) { words_.store(place, inflight::seal(value, place)); }
  void place(std::uint32_t slot, Standing::Step step) {
    step_ = step;
    store(kPlaceAt, pack_place(slot, step));
  }

  W words_;
  Standing::Step step_;
  std::uint32_t in_, out_;  // slots of guest_tx and of guest_rx
};

}  // namespace hush::area
