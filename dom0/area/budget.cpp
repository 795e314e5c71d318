#include "dom0/area/budget.hpp"

#include <algorithm>
#include <tuple>

namespace hush::dom0 {
namespace {

// What a ring adds to an area, at most: its share of an index page counts whole, so that what one ring takes
// does not depend on the other, and more for the one never means less for the other.
constexpr std::uint64_t ring_bytes(std::uint32_t length) {
  const std::uint64_t pages = length / kPageSize;
  return (pages + (pages + area::kGrefsOfAPage - 1) / area::kGrefsOfAPage) * kPageSize;
}

// A ring's way from its minimum to what it wants is a row of doublings.
struct Doubling {
  std::size_t pair;
  std::uint32_t area::Sizes::*ring;
  std::uint32_t from, wanted;
};

void add_doublings(std::vector<Doubling>& into, std::size_t pair, std::uint32_t area::Sizes::*ring,
                   std::uint32_t from, std::uint32_t wanted) {
  for (std::uint64_t length = from; length * 2 <= wanted; length *= 2)
    into.push_back({pair, ring, static_cast<std::uint32_t>(length), wanted});
}

area::Sizes at_least(const area::Sizes& wanted, const area::Sizes& minimum) {
  return {std::max(wanted.guest_tx, minimum.guest_tx), std::max(wanted.guest_rx, minimum.guest_rx)};
}

std::uint64_t largest_minimum(std::span<const Holding> pairs) {
  std::uint64_t most = 0;
  for (const auto& pair : pairs) most = std::max(most, area_bytes(pair.minimum));
  return most;
}

// What is taken when all that is under way has come to its end, whichever that is; without pairs[without].
std::uint64_t settled(std::span<const Holding> pairs, std::size_t without) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (i != without) sum += std::max(pairs[i].in_use, pairs[i].under_way);
  return sum;
}

// Halves the longer ring, or the one that may still be halved. False: both are at the minimum.
bool halve(area::Sizes& rings, const area::Sizes& minimum) {
  const bool tx = rings.guest_tx / 2 >= minimum.guest_tx, rx = rings.guest_rx / 2 >= minimum.guest_rx;
  if (!tx && !rx) return false;
  (tx && (!rx || rings.guest_tx >= rings.guest_rx) ? rings.guest_tx : rings.guest_rx) /= 2;
  return true;
}

}  // namespace

std::uint64_t taken(std::span<const Holding> pairs) {
  std::uint64_t sum = 0;
  for (const auto& pair : pairs) sum += pair.in_use + pair.under_way;
  return sum;
}

Budget budget_of(std::uint64_t bytes, std::span<const Holding> pairs) {
  std::uint64_t largest = 0;
  for (const auto& pair : pairs)
    largest = std::max({largest, pair.in_use, area_bytes(at_least(pair.wanted, pair.minimum))});
  return {bytes, std::max(std::min(largest, bytes / 4), largest_minimum(pairs))};
}

std::vector<area::Sizes> share(const Budget& budget, std::span<const Holding> pairs) {
  std::vector<area::Sizes> given;
  std::vector<Doubling> doublings;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const area::Sizes& minimum = pairs[i].minimum;
    const area::Sizes wanted = at_least(pairs[i].wanted, minimum);
    given.push_back(minimum);
    sum += kPageSize + ring_bytes(minimum.guest_tx) + ring_bytes(minimum.guest_rx);
    add_doublings(doublings, i, &area::Sizes::guest_tx, minimum.guest_tx, wanted.guest_tx);
    add_doublings(doublings, i, &area::Sizes::guest_rx, minimum.guest_rx, wanted.guest_rx);
  }
  // First whoever has the smallest part of what it wants, and of those whoever lacks most. This order does
  // not depend on what is given meanwhile, which is why more wanted never gets less.
  std::stable_sort(doublings.begin(), doublings.end(), [](const Doubling& a, const Doubling& b) {
    return std::make_tuple(b.wanted / b.from, b.wanted) < std::make_tuple(a.wanted / a.from, a.wanted);
  });
  const std::uint64_t most = budget.bytes - std::min(budget.bytes, budget.reserve);
  for (const auto& doubling : doublings) {
    std::uint32_t& length = given[doubling.pair].*doubling.ring;
    const std::uint64_t more = ring_bytes(2 * doubling.from) - ring_bytes(doubling.from);
    if (length != doubling.from || sum + more > most) continue;
    length = 2 * doubling.from;
    sum += more;
  }
  return given;
}

bool may_switch(const Budget& budget, std::span<const Holding> pairs, std::size_t which,
                const area::Sizes& next) {
  const Holding& pair = pairs[which];
  if (pair.under_way != 0) return false;
  const std::uint64_t bytes = area_bytes(next), now = taken(pairs);
  if (bytes < pair.in_use) {
    if (now + bytes <= budget.bytes) return true;
    // An admin has lowered the budget: the way down leads over a second area, of one pair at a time. Where
    // the budget is kept already, but not even a minimum has room beside, it is a minimum.
    const bool quiet =
        std::none_of(pairs.begin(), pairs.end(), [](const auto& other) { return other.under_way != 0; });
    return quiet &&
           (now > budget.bytes || (now + largest_minimum(pairs) > budget.bytes && next == pair.minimum));
  }
  return now + bytes <= budget.bytes && settled(pairs, which) + bytes + budget.reserve <= budget.bytes;
}

std::optional<area::Sizes> fitting(const Budget& budget, std::span<const Holding> pairs, std::size_t which,
                                   const area::Sizes& next, const area::Sizes& least) {
  area::Sizes rings = next;
  do {
    if (may_switch(budget, pairs, which, rings)) return rings;
  } while (halve(rings, least));
  return std::nullopt;
}

std::optional<area::Sizes> room_for_new(const Budget& budget, std::span<const Holding> pairs,
                                        const area::Sizes& wanted, const area::Sizes& minimum) {
  const std::uint64_t now = taken(pairs), later = settled(pairs, pairs.size());
  // Its minimum may come out of the reserve, of which the others give back by their shares: what is left lets
  // any of them go down to its own minimum.
  const std::uint64_t least = std::max(largest_minimum(pairs), area_bytes(minimum));
  area::Sizes rings = at_least(wanted, minimum);
  do {
    const std::uint64_t bytes = area_bytes(rings), kept = rings == minimum ? least : budget.reserve;
    if (now + bytes <= budget.bytes && later + bytes + kept <= budget.bytes) return rings;
  } while (halve(rings, minimum));
  return std::nullopt;
}

}  // namespace hush::dom0
