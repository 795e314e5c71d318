#include "common/area/layout.hpp"

#include <algorithm>
#include <vector>

namespace hush::area {
namespace {

constexpr bool all_zero(const auto& words) {
  return std::ranges::all_of(words, [](std::uint32_t word) { return word == 0; });
}

constexpr bool max_frame_is_sound(std::uint32_t max_frame, std::uint32_t ring) {
  return max_frame >= kLeastMaxFrame && max_frame <= std::min(kMaxFrame, max_frame_of(ring));
}

}  // namespace

std::optional<std::string_view> refusal(const Header& header, const Rest& rest, std::uint32_t pages,
                                        std::uint32_t max_pages) {
  if (header.magic != kMagic) return "the header page has no area's magic";
  if (header.version != kVersion) return "the header page has another version than was agreed";
  if (header.generation == 0) return "generation 0";
  if (header.pages != pages) return "the header page has another number of pages than hush-area-pages";
  if (pages > max_pages) return "more pages than this back end allows";
  if (!is_ring_length(header.guest_tx_ring))
    return "the guest_tx ring is no power of two from 4 KiB to 32 MiB";
  if (!is_ring_length(header.guest_rx_ring))
    return "the guest_rx ring is no power of two from 4 KiB to 32 MiB";
  if (!max_frame_is_sound(header.guest_tx_max_frame, header.guest_tx_ring))
    return "the longest guest_tx frame is out of range";
  if (!max_frame_is_sound(header.guest_rx_max_frame, header.guest_rx_ring))
    return "the longest guest_rx frame is out of range";
  const Header whole = header_of(header.generation, header.guest_tx_ring, header.guest_rx_ring);
  if (header.index_pages != whole.index_pages) return "another number of index pages than the rings need";
  if (header.pages != whole.pages) return "the pages do not add up";
  for (std::uint32_t i = 0; i < kMaxIndexPages; ++i)
    if (i < header.index_pages ? header.index_grefs[i] < kFirstGref : header.index_grefs[i] != 0)
      return "an index page's gref is missing, reserved or left over";
  if (!all_zero(header.reserved) || !all_zero(rest)) return "bytes that must be 0 are not";
  return std::nullopt;
}

std::optional<std::string_view> refusal_to_follow(const Header& next, const Header& now,
                                                  std::uint32_t generation, Sizes advised) {
  if (next.generation != generation) return "the header page has another generation than hush-area-offer";
  if (next.guest_tx_max_frame != now.guest_tx_max_frame || next.guest_rx_max_frame != now.guest_rx_max_frame)
    return "other longest frames than the area in use";
  if (next.guest_tx_ring > advised.guest_tx || next.guest_rx_ring > advised.guest_rx)
    return "a ring is longer than was advised";
  return std::nullopt;
}

std::optional<std::string_view> refusal(const Header& header, Gref header_page,
                                        std::span<const std::uint32_t> ring_grefs) {
  if (header_page.value < kFirstGref) return "the header page's gref is missing or reserved";
  std::vector<std::uint32_t> all(ring_grefs.begin(), ring_grefs.end());
  if (std::ranges::any_of(all, [](std::uint32_t gref) { return gref < kFirstGref; }))
    return "a ring page's gref is missing or reserved";
  all.insert(all.end(), header.index_grefs.begin(), header.index_grefs.begin() + header.index_pages);
  all.push_back(header_page.value);
  std::ranges::sort(all);
  if (std::ranges::adjacent_find(all) != all.end()) return "a gref is named twice";
  return std::nullopt;
}

}  // namespace hush::area
