// The memory that the areas of all pairs may take together on this host, and who gets how much of it. Pure.
//
// What counts is what is mapped: both areas of a pair that switches. So a reserve is kept free when nobody
// switches, for the second area of somebody who does. The total is above the budget only where an admin has
// lowered that (or raised the minima), and then only goes down, but for the second area of one pair at a
// time.
//
// Control thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dom0/area/area_bytes.hpp"

namespace hush::dom0 {

// One queue with an area.
struct Holding {
  std::uint64_t in_use = 0;     // bytes of its area: area_bytes()
  std::uint64_t under_way = 0;  // of the one that is to take its place, from the advice on; 0: none
  area::Sizes wanted;
  area::Sizes minimum;  // never gets less; where it is above wanted, it is what is wanted
};

struct Budget {
  std::uint64_t bytes = 0;
  std::uint64_t reserve = 0;
};

// All that is taken now.
[[nodiscard]] std::uint64_t taken(std::span<const Holding> pairs);

// The budget with a reserve for the largest area that may have to move: the largest in use or wanted. At most
// a quarter of the budget, or a small one would be all reserve (then somebody moves in smaller steps:
// fitting()); but never less than the largest minimum, so that each may always go down to its own.
[[nodiscard]] Budget budget_of(std::uint64_t bytes, std::span<const Holding> pairs);

// What each gets, in the order of the pairs: all that is wanted where there is enough; where it is short
// every ring the same part of what it wants, in powers of two, the rest where most is lacking; no ring less
// than its minimum. The areas of these lengths are within the budget less its reserve, unless the minima
// alone are not. More wanted never gets less.
[[nodiscard]] std::vector<area::Sizes> share(const Budget& budget, std::span<const Holding> pairs);

// Is there room now for `next` beside all that is taken, so that pairs[which] may be advised of it?
[[nodiscard]] bool may_switch(const Budget& budget, std::span<const Holding> pairs, std::size_t which,
                              const area::Sizes& next);

// `next`, or where there is no room for that now the largest below it that there is room for, no ring shorter
// than in `least`: the pair's minimum where it shrinks, what is in use where it grows. None: wait until a
// switch of somebody has ended.
[[nodiscard]] std::optional<area::Sizes> fitting(const Budget& budget, std::span<const Holding> pairs,
                                                 std::size_t which, const area::Sizes& next,
                                                 const area::Sizes& least);

// The first area of a new pair, from its minimum up to what is wanted; none: no room, and it gets plain
// netif.
[[nodiscard]] std::optional<area::Sizes> room_for_new(const Budget& budget, std::span<const Holding> pairs,
                                                      const area::Sizes& wanted, const area::Sizes& minimum);

}  // namespace hush::dom0
