// An area's header and grefs of any bytes, against what section 3 says that a back end refuses.
#pragma once
#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <vector>

#include "common/area/layout.hpp"
#include "tests/fuzz/input.hpp"

namespace hush::fuzz {

class HeaderPlay {
 public:
  explicit HeaderPlay(Input input) : in_(input) {}

  void run() {
    make_header();
    const std::uint32_t pages = in_.byte() % 16 == 0 ? in_.number() : header_.pages;
    const std::uint32_t max_pages = in_.byte() % 16 == 0 ? in_.word() : 16'401;
    area::Rest rest{};
    if (in_.byte() % 16 == 0) rest.at(in_.number() % rest.size()) = in_.byte();
    const bool empty = std::ranges::all_of(rest, [](std::uint32_t word) { return word == 0; });
    const bool refused = area::refusal(header_, rest, pages, max_pages).has_value();
    require(refused != (empty && is_sound(pages, max_pages)));
    if (!refused && area::ring_pages(header_) <= kMostGrefs) try_grefs();
  }

 private:
  static constexpr std::uint32_t kMostGrefs = 1025;  // two index pages: more are no other case

  // A sound one, and then words of it written over.
  void make_header() {
    const std::uint32_t guest_tx_ring = 4096U << in_.byte() % 14, guest_rx_ring = 4096U << in_.byte() % 14;
    header_ = area::header_of(in_.byte(), guest_tx_ring, guest_rx_ring);
    std::iota(header_.index_grefs.begin(), header_.index_grefs.begin() + header_.index_pages,
              std::uint32_t{in_.byte()});
    std::uint32_t words[sizeof header_ / 4];
    std::memcpy(words, &header_, sizeof header_);
    for (std::uint32_t changes = in_.byte() % 4; changes > 0; --changes) {
      const std::uint8_t where = in_.byte();
      std::uint32_t& word = words[in_.byte() % 2 == 0 ? where % 25 : where];
      const std::uint32_t values[] = {in_.byte(), word + in_.byte() - 128, word ^ 1U << in_.byte() % 32,
                                      in_.number()};
      word = values[in_.byte() % 4];
    }
    std::memcpy(&header_, words, sizeof header_);
  }

  [[nodiscard]] bool is_sound(std::uint32_t pages, std::uint32_t max_pages) const {
    const area::Header& h = header_;
    if (h.magic != 0x41485348 || h.version != 1 || h.generation == 0) return false;
    if (h.pages != pages || pages > max_pages) return false;
    if (!is_ring(h.guest_tx_ring) || !is_ring(h.guest_rx_ring)) return false;
    if (!is_longest(h.guest_tx_max_frame, h.guest_tx_ring) ||
        !is_longest(h.guest_rx_max_frame, h.guest_rx_ring))
      return false;
    if (h.index_pages < 1 || h.index_pages > 16) return false;
    if (h.index_pages != (h.pages - 1 - h.index_pages + 1023) / 1024) return false;
    if (h.pages != 1 + h.index_pages + h.guest_tx_ring / 4096 + h.guest_rx_ring / 4096) return false;
    for (std::uint32_t i = 0; i < 16; ++i)
      if (i < h.index_pages ? h.index_grefs[i] < 8 : h.index_grefs[i] != 0) return false;
    return std::ranges::all_of(h.reserved, [](std::uint32_t word) { return word == 0; });
  }
  static bool is_ring(std::uint32_t bytes) {
    return bytes >= 4096 && bytes <= 33'554'432 && (bytes & (bytes - 1)) == 0;
  }
  static bool is_longest(std::uint32_t frame, std::uint32_t ring) {
    return frame >= 1514 && frame <= 65'550 && frame <= ring / 2 - 16;
  }

  void try_grefs() {
    std::vector<std::uint32_t> grefs(area::ring_pages(header_));
    std::iota(grefs.begin(), grefs.end(), in_.word());
    for (std::uint32_t changes = in_.byte() % 4; changes > 0; --changes)
      grefs[in_.word() % grefs.size()] = in_.byte() % 2 == 0 ? in_.byte() : grefs[in_.word() % grefs.size()];
    const Gref header_page{in_.byte() % 2 == 0 ? std::uint32_t{in_.word()} : in_.byte()};

    std::set<std::uint32_t> all(grefs.begin(), grefs.end());
    all.insert(header_.index_grefs.begin(), header_.index_grefs.begin() + header_.index_pages);
    all.insert(header_page.value);
    const bool sound = all.size() == header_.pages && *all.begin() >= 8;
    require(area::refusal(header_, header_page, grefs).has_value() != sound);
  }

  Input in_;
  area::Header header_;
};

}  // namespace hush::fuzz
