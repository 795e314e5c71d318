// What the polling of a queue counts. Written by its data thread, read by any.
#pragma once
#include <array>

#include "common/telemetry/counter.hpp"

namespace hush::poll {

using telemetry::Counter;

struct Counters {
  Counter found;    // polls in which something came
  Counter in_vain;  // polls that ended with nothing
  Counter sleeps;   // times that it asked for events and was not served until one came
  // Events for a sleep that never was: its second look found what they tell of.
  Counter needless;
};

// Their names for people and programs.
struct NamedCount {
  const char* name;
  Counter Counters::*counter;
};
inline constexpr std::array<NamedCount, 4> kCounts{{{"found", &Counters::found},
                                                    {"in_vain", &Counters::in_vain},
                                                    {"sleeps", &Counters::sleeps},
                                                    {"needless_events", &Counters::needless}}};

}  // namespace hush::poll
