// The words of an in-flight file (README.md): a header, two positions, and a record for each slot of a ring.
// Sealing and opening of words is pure; nothing here knows a file or a mapping.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "common/types.hpp"

namespace hush::inflight {

inline constexpr std::uint32_t kMagic = 0x4649'5348;  // "HSIF"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kMaxSlots = 4096;
inline constexpr std::uint32_t kMaxRequestWords = 61;  // 244 bytes; the largest of blkif has 112

// Which ring an array is for. A number is never used for another ring.
enum class RingKind : std::uint32_t { guest_tx = 1, block = 2, area = 3 };

// How the requests of a ring are answered.
enum class Order : std::uint32_t {
  in_turn = 1,  // as they were posted: what is in progress has no gaps
  any = 2,      // as they are done
};

// The shape of an array: what a kind of ring needs.
struct Geometry {
  std::uint32_t slots = 0;          // of the ring: a power of two, at most kMaxSlots; a record for each
  std::uint32_t request_words = 0;  // of 4 bytes, of a request: 1 .. kMaxRequestWords
  Order order = Order::in_turn;

  bool operator==(const Geometry&) const = default;
  // Words of 8 bytes from one record to the next: whole cache lines.
  [[nodiscard]] constexpr std::size_t stride() const { return (request_words + 3 + 7) / 8 * 8; }
};

// Whose requests a file holds: the ring of one connection, so that no other ring is ever answered from it.
struct Identity {
  DomId peer;
  std::uint32_t handle = 0;  // of the device
  std::uint32_t queue = 0;
  RingKind ring = RingKind::guest_tx;
  Gref ring_ref;              // its first page
  EvtchnPort port;            // the peer's end of its channel
  std::uint64_t session = 0;  // of the connection, where the caller tells connections apart by a number

  bool operator==(const Identity&) const = default;
};

// The first words of a file, written once.
struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t slots = 0;
  std::uint32_t request_words = 0;
  std::uint32_t order = 0;
  std::uint32_t peer = 0;
  std::uint32_t handle = 0;
  std::uint32_t queue = 0;
  std::uint32_t ring = 0;
  std::uint32_t ring_ref = 0;
  std::uint32_t port = 0;
  std::uint32_t session_low = 0;
  std::uint32_t session_high = 0;
  std::array<std::uint32_t, 2> reserved{};  // 0
  std::uint32_t checksum = 0;               // CRC-32 of the 60 bytes before it
};
static_assert(sizeof(Header) == 64 && std::has_unique_object_representations_v<Header>);
using HeaderWords = std::array<std::uint64_t, sizeof(Header) / 8>;

[[nodiscard]] std::uint32_t checksum_of(const Header& header);
[[nodiscard]] Header header_of(const Geometry& geometry, const Identity& identity);
[[nodiscard]] inline HeaderWords to_words(const Header& header) {
  return std::bit_cast<HeaderWords>(header);
}

// ---- where the words are, in units of 8 bytes

// How many answers were published, modulo 2^32, when the array last knew.
inline constexpr std::size_t kAnsweredAt = 8;
// The answers that are being published: Batch.
inline constexpr std::size_t kBatchAt = 16;
inline constexpr std::size_t kRecordsAt = 24;

using RecordId = std::uint16_t;
inline constexpr RecordId kNoRecord = 0xffff;

// The words of a record, behind its first.
inline constexpr std::size_t kStateWord = 0, kTicketWord = 1, kRequestWord = 3;

constexpr std::size_t record_at(const Geometry& geometry, RecordId id) {
  return kRecordsAt + id * geometry.stride();
}
constexpr std::size_t words_of(const Geometry& geometry) {
  return kRecordsAt + geometry.slots * geometry.stride();
}
constexpr std::size_t bytes_of(const Geometry& geometry) {
  return words_of(geometry) * sizeof(std::uint64_t);
}

// ---- words that say themselves whether they are whole

// 32 bits and their check in one store, so that no kill can part them. The check depends on the place, so
// that a word is sound where it was written and nowhere else; and on `of`, for words that belong together. A
// word of zeros is never sound.
constexpr std::uint64_t seal(std::uint32_t value, std::size_t place, std::uint32_t of = 0) {
  const std::uint32_t salt = static_cast<std::uint32_t>(place) * 0x9e37'79b1U ^ of;
  return value | std::uint64_t{~value ^ salt} << 32;
}
constexpr std::optional<std::uint32_t> unseal(std::uint64_t word, std::size_t place, std::uint32_t of = 0) {
  const auto value = static_cast<std::uint32_t>(word);
  return seal(value, place, of) == word ? std::optional(value) : std::nullopt;
}

// What has become of a record's request.
enum class State : std::uint8_t {
  free = 1,   // there is none
  filling,    // one is being copied in: the rest of the record means nothing
  taken,      // the ring may forget it; its effect has not happened, or nobody knows
  sent,       // its effect has happened, or never will: `result` is its answer
  answering,  // the same, and its answer is being published
};

// The first word of a record.
struct RecordState {
  State state = State::free;
  std::int8_t result = 0;     // of sent and answering: the status of the answer
  RecordId next = kNoRecord;  // of answering and of what was: the record before it in its batch

  bool operator==(const RecordState&) const = default;
};
constexpr std::uint32_t pack(const RecordState& state) {
  return static_cast<std::uint32_t>(state.state) |
         std::uint32_t{static_cast<std::uint8_t>(state.result)} << 8 | std::uint32_t{state.next} << 16;
}
// nullopt: no state has that number.
constexpr std::optional<RecordState> unpack_state(std::uint32_t value) {
  const auto state = static_cast<std::uint8_t>(value);
  if (state < static_cast<std::uint8_t>(State::free) || state > static_cast<std::uint8_t>(State::answering))
    return std::nullopt;
  return RecordState{static_cast<State>(state),
                     static_cast<std::int8_t>(static_cast<std::uint8_t>(value >> 8)),
                     static_cast<RecordId>(value >> 16)};
}

// Answers that go out in one publication: a list through the records, the last answer first.
struct Batch {
  RecordId head = kNoRecord;
  std::uint16_t count = 0;  // 0: none is being published

  bool operator==(const Batch&) const = default;
};
constexpr std::uint32_t pack(const Batch& batch) {
  return batch.head | std::uint32_t{batch.count} << 16;
}
constexpr Batch unpack_batch(std::uint32_t value) {
  return {static_cast<RecordId>(value), static_cast<std::uint16_t>(value >> 16)};
}

}  // namespace hush::inflight
