// What each end says to the other's word on the next area, before anything is mapped or granted.
#include <gtest/gtest.h>

#include "dom0/vif/offered_bytes.hpp"
#include "dom0/vif/queue_areas.hpp"
#include "domu/vif/queue_areas.hpp"

namespace hush {
namespace {

constexpr std::uint32_t kKiB = 1024;

// ---- the back end, on the first areas
TEST(OfferedBytes, AreOfAllQueuesTogether) {
  std::vector<xenstore::QueueAddress> queues(3);
  using dom0::offered_bytes;
  EXPECT_EQ(offered_bytes(queues), 0U);
  queues[0].area = {Gref{9}, 132};
  queues[2].area = {Gref{10}, UINT32_MAX};
  EXPECT_EQ(offered_bytes(std::span(queues).first(1)), 132U * kPageSize);
  EXPECT_EQ(offered_bytes(queues), (132ULL + UINT32_MAX) * kPageSize);
}

// ---- the back end, on an offer
struct OfferCase {
  const char* what;
  std::uint32_t offered, last, next;
  bool advised;
  dom0::OfferStep step;
};
constexpr std::string_view kLater = "an area of a later generation was offered before";
constexpr std::string_view kUnadvised = "no other area was advised";

TEST(JudgeOffer, EachCase) {
  const OfferCase cases[] = {
      {"nothing is offered", 0, 1, 0, true, {}},
      {"what was advised", 2, 1, 0, true, {.take = true}},
      {"generations may be left out", 9, 1, 0, true, {.take = true}},
      {"and be huge", UINT32_MAX, 1, 0, true, {.take = true}},
      {"nobody asked", 2, 1, 0, false, {.refuse = kUnadvised}},
      {"the one in use again", 1, 1, 0, true, {}},
      {"the last one again, which was answered", 5, 5, 0, true, {}},
      {"below the last", 3, 5, 0, true, {.refuse = kLater}},
      {"below the last, and nobody asked", 3, 5, 0, false, {.refuse = kLater}},
      {"nothing is above the highest", 7, UINT32_MAX, 0, true, {.refuse = kLater}},
      {"the one that is mapped", 2, 2, 2, false, {}},
      {"it is withdrawn", 0, 2, 2, false, {.drop_next = true}},
      {"for another, which nobody asked for", 3, 2, 2, false, {.drop_next = true, .refuse = kUnadvised}},
      {"for one from before", 1, 2, 2, false, {.drop_next = true, .refuse = kLater}},
  };
  for (const OfferCase& c : cases) {
    const auto step = dom0::judge_offer(c.offered, c.last, c.next, c.advised);
    EXPECT_EQ(step.drop_next, c.step.drop_next) << c.what;
    EXPECT_EQ(step.take, c.step.take) << c.what;
    EXPECT_EQ(step.refuse, c.step.refuse) << c.what;
  }
}

// ---- the front end, on an advice
const area::Header kInUse = area::header_of(1, 64 * kKiB, 64 * kKiB);
std::optional<area::Sizes> offer(area::Sizes advised, const area::Header& in_use = kInUse) {
  return domu::sizes_to_offer({.number = 1, .rings = advised}, in_use);
}

TEST(SizesToOffer, WhatIsAdvisedWhereItMakesSense) {
  constexpr std::uint32_t kLeast = 64 * kKiB;  // for frames of 32 KiB less a record
  for (const area::Sizes good : {area::Sizes{128 * kKiB, 64 * kKiB},
                                 {64 * kKiB, 128 * kKiB},
                                 {area::kMaxRing, area::kMaxRing},
                                 {area::kMaxRing, kLeast}})
    EXPECT_EQ(offer(good), good) << good.guest_tx << " " << good.guest_rx;
  for (const std::uint32_t bad : {0U, 1U, 16U, 2048U, kLeast / 2, kLeast + 4096, 3 * kLeast,
                                  2 * area::kMaxRing, 1U << 31, UINT32_MAX}) {
    EXPECT_EQ(offer({bad, 128 * kKiB}), std::nullopt) << bad;
    EXPECT_EQ(offer({128 * kKiB, bad}), std::nullopt) << bad;
  }
  EXPECT_EQ(offer(area::sizes_of(kInUse)), std::nullopt) << "it is there";
}

TEST(SizesToOffer, AShortRingGrowsAndComesBack) {
  const area::Header least = area::header_of(1, area::kMinRing, area::kMinRing);
  EXPECT_EQ(offer({8 * kKiB, 4 * kKiB}, least), (area::Sizes{8 * kKiB, 4 * kKiB}));
  const area::Header grown = area::header_after(least, 2, {kKiB * kKiB, 8 * kKiB});
  EXPECT_EQ(offer({4 * kKiB, 4 * kKiB}, grown), (area::Sizes{4 * kKiB, 4 * kKiB}));
  EXPECT_EQ(offer({2 * kKiB, 4 * kKiB}, grown), std::nullopt);
}

TEST(NextSmaller, HalfOfWhatGrowsUntilNothingDoes) {
  using Sizes = area::Sizes;
  EXPECT_EQ(domu::next_smaller({512 * kKiB, 256 * kKiB}, kInUse), (Sizes{256 * kKiB, 128 * kKiB}));
  EXPECT_EQ(domu::next_smaller({256 * kKiB, 128 * kKiB}, kInUse), (Sizes{128 * kKiB, 64 * kKiB}));
  EXPECT_EQ(domu::next_smaller({128 * kKiB, 64 * kKiB}, kInUse), std::nullopt) << "what is in use";
  EXPECT_EQ(domu::next_smaller({128 * kKiB, 32 * kKiB}, kInUse), (Sizes{64 * kKiB, 32 * kKiB}))
      << "the other one gets shorter all the same";
  EXPECT_EQ(domu::next_smaller({32 * kKiB, 32 * kKiB}, kInUse), std::nullopt) << "nothing grows";
  // It ends, from wherever it begins.
  int steps = 0;
  for (std::optional<Sizes> sizes = Sizes{area::kMaxRing, area::kMaxRing}; sizes; ++steps)
    sizes = domu::next_smaller(*sizes, kInUse);
  EXPECT_EQ(steps, 9);
}

// ---- both, on the header
TEST(HeaderAfter, KeepsTheLongestFramesAndAddsUp) {
  for (const std::uint32_t first : {4U, 16U, 256U, 1024U}) {
    const area::Header now = area::header_of(1, first * kKiB, 256 * kKiB);
    const area::Sizes least = area::least_sizes(now);
    EXPECT_LE(least.guest_tx, now.guest_tx_ring);
    EXPECT_LE(least.guest_rx, now.guest_rx_ring);
    for (area::Sizes sizes = least; sizes.guest_tx <= area::kMaxRing; sizes.guest_tx *= 2) {
      const area::Header next = area::header_after(now, 7, sizes);
      EXPECT_EQ(next.generation, 7U);
      EXPECT_EQ(area::sizes_of(next), sizes);
      EXPECT_EQ(next.guest_tx_max_frame, now.guest_tx_max_frame);
      EXPECT_EQ(next.guest_rx_max_frame, now.guest_rx_max_frame);
      EXPECT_LE(next.guest_tx_max_frame, area::max_frame_of(next.guest_tx_ring));
      EXPECT_EQ(next.pages, 1 + next.index_pages + area::ring_pages(next));
      EXPECT_EQ(area::least_sizes(next), least) << "they stay what they are";
      EXPECT_EQ(area::refusal_to_follow(next, now, 7, sizes), std::nullopt);
    }
  }
}

TEST(RefusalToFollow, EachLie) {
  const area::Sizes advised{128 * kKiB, 128 * kKiB};
  const area::Header sound = area::header_after(kInUse, 2, advised);
  using Change = void (*)(area::Header&);
  const std::pair<std::string_view, Change> lies[] = {
      {"another generation", [](area::Header& h) { h.generation = 1; }},
      {"another generation", [](area::Header& h) { h.generation = 3; }},
      {"other longest frames", [](area::Header& h) { --h.guest_tx_max_frame; }},
      {"other longest frames", [](area::Header& h) { ++h.guest_tx_max_frame; }},
      {"other longest frames", [](area::Header& h) { --h.guest_rx_max_frame; }},
      {"other longest frames", [](area::Header& h) { ++h.guest_rx_max_frame; }},
      {"longer than was advised", [](area::Header& h) { h.guest_tx_ring *= 2; }},
      {"longer than was advised", [](area::Header& h) { h.guest_rx_ring *= 2; }},
  };
  EXPECT_EQ(area::refusal_to_follow(sound, kInUse, 2, advised), std::nullopt);
  EXPECT_EQ(
      area::refusal_to_follow(area::header_after(kInUse, 2, {64 * kKiB, 64 * kKiB}), kInUse, 2, advised),
      std::nullopt)
      << "a guest without memory offers less";
  for (const auto& [reason, change] : lies) {
    area::Header header = sound;
    change(header);
    const auto refused = area::refusal_to_follow(header, kInUse, 2, advised);
    ASSERT_TRUE(refused) << reason;
    EXPECT_NE(refused->find(reason), refused->npos) << *refused;
  }
}

}  // namespace
}  // namespace hush
