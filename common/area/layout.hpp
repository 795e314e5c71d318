// The pages of an area: header page, index pages, two rings (README.md, section 3).
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/area/packet_ring.hpp"
#include "common/area/sizes.hpp"

namespace hush::area {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kMagic = 0x4148'5348;  // "HSHA"
inline constexpr std::uint32_t kGrefsOfAPage = kPageSize / 4;
inline constexpr std::uint32_t kMaxIndexPages = 16;
inline constexpr std::uint32_t kMinRing = kPageSize;
inline constexpr std::uint32_t kMaxRing = 32U << 20;
inline constexpr std::uint32_t kMinRingOfOffloads = 256U << 10;
inline constexpr std::uint32_t kLeastMaxFrame = 1514;
inline constexpr std::uint32_t kFirstGref = 8;  // those below are reserved (GNTTAB_NR_RESERVED_ENTRIES)

// The first 1024 bytes of the header page.
struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t generation = 0;
  std::uint32_t pages = 0;
  std::uint32_t guest_tx_ring = 0;  // bytes
  std::uint32_t guest_rx_ring = 0;
  std::uint32_t guest_tx_max_frame = 0;
  std::uint32_t guest_rx_max_frame = 0;
  std::uint32_t index_pages = 0;
  std::array<std::uint32_t, kMaxIndexPages> index_grefs{};
  std::array<std::uint32_t, 231> reserved{};
};
static_assert(sizeof(Header) == 1024 && shm::WirePod<Header>);

// What follows all of that.
using Rest = std::array<std::uint32_t, 448>;

struct HeaderPage {
  shm::SharedSlot<sizeof(Header)> header;
  SharedWords guest_tx, guest_rx;
  alignas(128) shm::SharedByte front_lives;  // 1; cleared by the front end's kernel
  alignas(128) shm::SharedByte back_lives;
  alignas(128) shm::SharedSlot<sizeof(Rest)> rest;  // 0
};
static_assert(offsetof(HeaderPage, rest) == 2304 && sizeof(HeaderPage) == kPageSize);
static_assert(offsetof(HeaderPage, guest_tx) == 1024 && offsetof(HeaderPage, guest_rx) == 1536);
static_assert(offsetof(HeaderPage, front_lives) == 2048 && offsetof(HeaderPage, back_lives) == 2176);

// The words of a direction as they stand, to be shown and nothing else: the peer may have written any.
struct WordsLook {
  std::uint32_t produced, consumed, mode, room;
};
[[nodiscard]] inline WordsLook look_at(const SharedWords& words) {
  const auto read = [](const shm::SharedWord& word) { return word.load(std::memory_order_relaxed); };
  return {read(words.produced), read(words.consumed), read(words.mode), read(words.room)};
}

constexpr std::uint32_t ring_pages(const Header& header) {
  return static_cast<std::uint32_t>(header.guest_tx_ring / kPageSize + header.guest_rx_ring / kPageSize);
}

// The two rings, in the ring pages of an area with this header.
[[nodiscard]] inline shm::ByteRing guest_tx_ring(void* ring_pages, const Header& header) {
  return {ring_pages, header.guest_tx_ring};
}
[[nodiscard]] inline shm::ByteRing guest_rx_ring(void* ring_pages, const Header& header) {
  return {static_cast<std::byte*>(ring_pages) + header.guest_tx_ring, header.guest_rx_ring};
}

// An area where it lies in this process: a private copy of its header, its header page, its ring pages.
// Owns nothing.
struct View {
  Header header;
  HeaderPage* page = nullptr;
  void* rings = nullptr;
};

// What one end works on: the direction that it consumes, and the one that it produces.
struct Side {
  SharedWords* in_words;
  shm::ByteRing in_ring;
  std::uint32_t in_max_frame;
  SharedWords* out_words;
  shm::ByteRing out_ring;
  std::uint32_t out_max_frame;
  const shm::SharedByte* peer_lives;
};
[[nodiscard]] inline Side back_side(const View& view) {
  return {&view.page->guest_tx,   guest_tx_ring(view.rings, view.header), view.header.guest_tx_max_frame,
          &view.page->guest_rx,   guest_rx_ring(view.rings, view.header), view.header.guest_rx_max_frame,
          &view.page->front_lives};
}
[[nodiscard]] inline Side front_side(const View& view) {
  return {&view.page->guest_rx,  guest_rx_ring(view.rings, view.header), view.header.guest_rx_max_frame,
          &view.page->guest_tx,  guest_tx_ring(view.rings, view.header), view.header.guest_tx_max_frame,
          &view.page->back_lives};
}

constexpr bool is_ring_length(std::uint32_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kMinRing && bytes <= kMaxRing;
}

// May an end leave segmentation and checksums to the other in this area?
constexpr bool takes_offloads(const Header& header) {
  return header.guest_tx_ring >= kMinRingOfOffloads && header.guest_rx_ring >= kMinRingOfOffloads;
}

// The header of an area of two rings, without its grefs. The sizes: powers of two within the limits.
constexpr Header header_of(std::uint32_t generation, std::uint32_t guest_tx_ring,
                           std::uint32_t guest_rx_ring) {
  Header header;
  header.generation = generation;
  header.guest_tx_ring = guest_tx_ring;
  header.guest_rx_ring = guest_rx_ring;
  header.guest_tx_max_frame = std::min(kMaxFrame, max_frame_of(guest_tx_ring));
  header.guest_rx_max_frame = std::min(kMaxFrame, max_frame_of(guest_rx_ring));
  header.index_pages = (ring_pages(header) + kGrefsOfAPage - 1) / kGrefsOfAPage;
  header.pages = 1 + header.index_pages + ring_pages(header);
  return header;
}

constexpr Sizes sizes_of(const Header& header) {
  return {header.guest_tx_ring, header.guest_rx_ring};
}

// The shortest ring that takes frames of this length, within the limits.
constexpr std::uint32_t least_ring(std::uint32_t max_frame) {
  return std::max(kMinRing, std::bit_ceil(2 * span_of(max_frame)));
}
// The same for the area that takes the place of this one: its longest frames stay what they are.
constexpr Sizes least_sizes(const Header& header) {
  return {least_ring(header.guest_tx_max_frame), least_ring(header.guest_rx_max_frame)};
}

// The header of an area that takes the place of `now` (README.md, section 10). sizes: at least least_sizes().
constexpr Header header_after(const Header& now, std::uint32_t generation, Sizes sizes) {
  Header header = header_of(generation, sizes.guest_tx, sizes.guest_rx);
  header.guest_tx_max_frame = now.guest_tx_max_frame;
  header.guest_rx_max_frame = now.guest_rx_max_frame;
  return header;
}

// Why a back end does not take an area with this header (private copies); nullopt: it does. pages: what
// xenstore says; max_pages: what this back end allows a queue.
[[nodiscard]] std::optional<std::string_view> refusal(const Header& header, const Rest& rest,
                                                      std::uint32_t pages, std::uint32_t max_pages);

// Why an area that is none of the above may not take the place of `now`; nullopt: it may. generation: what
// the front end's key says. advised: at most so long.
[[nodiscard]] std::optional<std::string_view> refusal_to_follow(const Header& next, const Header& now,
                                                                std::uint32_t generation, Sizes advised);

// The same of its ring pages' grefs, in order (private copies), and of the header page's: none is reserved,
// and each may be named once. The header: one that was not refused.
[[nodiscard]] std::optional<std::string_view> refusal(const Header& header, Gref header_page,
                                                      std::span<const std::uint32_t> ring_grefs);

}  // namespace hush::area
