// Does a back end refuse an area that it must not map, and say why?
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "common/area/layout.hpp"

namespace hush::area {
namespace {

constexpr std::uint32_t kRing = 256 << 10;
constexpr std::uint32_t kPages = 1 + 1 + 2 * 64;

Header sound() {
  Header header = header_of(1, kRing, kRing);
  header.index_grefs[0] = 900;
  return header;
}

TEST(AreaLayout, WhatIsMadeIsTaken) {
  const Header header = sound();
  EXPECT_EQ(header.pages, kPages);
  EXPECT_EQ(header.index_pages, 1U);
  EXPECT_EQ(header.guest_tx_max_frame, kMaxFrame);
  EXPECT_EQ(refusal(header, {}, kPages, kPages), std::nullopt);
}

TEST(AreaLayout, TheLargestAndTheSmallest) {
  Header largest = header_of(7, kMaxRing, kMaxRing);
  EXPECT_EQ(largest.index_pages, 16U);
  EXPECT_EQ(largest.pages, 16'401U);
  std::iota(largest.index_grefs.begin(), largest.index_grefs.end(), 8U);
  EXPECT_EQ(refusal(largest, {}, 16'401, 16'401), std::nullopt);
  Header smallest = header_of(7, kMinRing, kMinRing);
  EXPECT_EQ(smallest.pages, 4U);
  EXPECT_EQ(smallest.guest_tx_max_frame, 2032U);
  smallest.index_grefs[0] = 8;
  EXPECT_EQ(refusal(smallest, {}, 4, 4), std::nullopt);
}

TEST(AreaLayout, EachLieIsRefused) {
  using Change = void (*)(Header&);
  const std::pair<const char*, Change> lies[] = {
      {"magic", [](Header& h) { h.magic ^= 1; }},
      {"version", [](Header& h) { h.version = 2; }},
      {"generation 0", [](Header& h) { h.generation = 0; }},
      {"pages than", [](Header& h) { h.pages++; }},
      {"guest_tx ring", [](Header& h) { h.guest_tx_ring = 0; }},
      {"guest_tx ring", [](Header& h) { h.guest_tx_ring = kRing + 4096; }},
      {"guest_tx ring", [](Header& h) { h.guest_tx_ring = 2048; }},
      {"guest_rx ring", [](Header& h) { h.guest_rx_ring = 64 << 20; }},
      {"guest_tx frame", [](Header& h) { h.guest_tx_max_frame = 1513; }},
      {"guest_tx frame", [](Header& h) { h.guest_tx_max_frame = kMaxFrame + 1; }},
      {"guest_rx frame", [](Header& h) { h.guest_rx_max_frame = 0xffff'ffff; }},
      {"index pages", [](Header& h) { h.index_pages = 0; }},
      {"index pages", [](Header& h) { h.index_pages = 17; }},
      {"add up", [](Header& h) { h.guest_rx_ring *= 2; }},
      {"index page's gref", [](Header& h) { h.index_grefs[0] = 0; }},
      {"index page's gref", [](Header& h) { h.index_grefs[0] = 7; }},
      {"index page's gref", [](Header& h) { h.index_grefs[15] = 50; }},
      {"index page's gref", [](Header& h) { h.index_grefs[15] = 7; }},
      {"must be 0", [](Header& h) { h.reserved[230] = 1; }},
  };
  for (const auto& [what, change] : lies) {
    Header header = sound();
    change(header);
    const auto refused = refusal(header, {}, kPages, kPages);
    ASSERT_TRUE(refused) << what;
    EXPECT_NE(refused->find(what), std::string_view::npos) << "wanted: " << what << ", got: " << *refused;
  }
  for (const unsigned at : {0U, 200U, 447U}) {
    Rest rest{};
    rest[at] = 1;
    EXPECT_EQ(refusal(sound(), rest, kPages, kPages), "bytes that must be 0 are not") << at;
  }
  EXPECT_EQ(refusal(sound(), {}, kPages, kPages - 1), "more pages than this back end allows");
}

TEST(AreaLayout, AGrefIsNamedOnce) {
  const Header header = sound();
  std::vector<std::uint32_t> grefs(128);
  std::iota(grefs.begin(), grefs.end(), 8U);
  EXPECT_EQ(refusal(header, Gref{901}, grefs), std::nullopt);
  EXPECT_NE(refusal(header, Gref{900}, grefs), std::nullopt) << "header and index page";
  EXPECT_NE(refusal(header, Gref{20}, grefs), std::nullopt) << "header and ring page";
  EXPECT_EQ(refusal(header, Gref{7}, grefs), "the header page's gref is missing or reserved");
  grefs[5] = grefs[77];
  EXPECT_EQ(refusal(header, Gref{901}, grefs), "a gref is named twice");
  grefs[5] = 7;
  EXPECT_EQ(refusal(header, Gref{901}, grefs), "a ring page's gref is missing or reserved");
}

}  // namespace
}  // namespace hush::area
