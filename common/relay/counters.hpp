// What an end of an area counts. Written by its data thread, read by any.
#pragma once
#include <array>

#include "common/poll/counters.hpp"
#include "common/relay/port.hpp"
#include "common/telemetry/counter.hpp"

namespace hush::relay {

using telemetry::Counter;

// Of a direction of which this end is the consumer.
struct InCounters {
  Counter packets;        // that left the ring whole
  Counter bytes;          // of them
  Counter batches;        // releases
  Counter sleeps;         // times that it published a sleep number and slept
  Counter second_looks;   // times that it did not sleep, since the second look found something
  Counter notifies_sent;  // events to a producer that waited for room
  Counter hops_woken;     // batches to another data thread that slept, and was woken
  Counter hops_saved;     // to one that was awake
  std::array<Counter, kDrops> drops;
};

// Of a direction of which this end is the producer.
struct OutCounters {
  Counter packets;         // put into the ring
  Counter bytes;           // of them
  Counter batches;         // publications
  Counter notifies_sent;   // events to a consumer that slept
  Counter notifies_saved;  // publications to one that was awake
  Counter notifies_late;   // events to one that stood still, whatever its mode word said
  Counter room_waits;      // times that it waited for room
  Counter stalls;          // times that the peer was found to stand still
  Counter hops_woken;      // batches from another data thread that waited for room in the hop, and was woken
  Counter hops_saved;      // from one that was awake
  std::array<Counter, kDrops> drops;
};

// Their names for people and programs; those that the netif path counts too have its names.
template <class Counters>
struct NamedCount {
  const char* name;
  Counter Counters::*counter;
};
inline constexpr std::array<NamedCount<InCounters>, 8> kInCounts{
    {{"packets", &InCounters::packets},
     {"bytes", &InCounters::bytes},
     {"batches", &InCounters::batches},
     {"notifies_sent", &InCounters::notifies_sent},
     {"sleeps", &InCounters::sleeps},
     {"second_looks", &InCounters::second_looks},
     {"hops_woken", &InCounters::hops_woken},
     {"hops_saved", &InCounters::hops_saved}}};
inline constexpr std::array<NamedCount<OutCounters>, 10> kOutCounts{
    {{"packets", &OutCounters::packets},
     {"bytes", &OutCounters::bytes},
     {"batches", &OutCounters::batches},
     {"notifies_sent", &OutCounters::notifies_sent},
     {"notifies_saved", &OutCounters::notifies_saved},
     {"notifies_late", &OutCounters::notifies_late},
     {"room_waits", &OutCounters::room_waits},
     {"stalls", &OutCounters::stalls},
     {"hops_woken", &OutCounters::hops_woken},
     {"hops_saved", &OutCounters::hops_saved}}};

// Of a batch that is settled, in its direction: what went through, and what did not.
template <class Counters>
void count_batch(Counters& counters, const Tally& tally) {
  counters.packets.add(tally.packets);
  counters.bytes.add(tally.bytes);
  counters.batches.add();
}
template <class Counters>
void count_drops(Counters& counters, const Tally& tally) {
  for (std::size_t i = 0; tally.dropped && i < kDrops; ++i)
    if (tally.drops[i] != 0) counters.drops[i].add(tally.drops[i]);
}

struct EndCounters {
  InCounters in;
  OutCounters out;
  Counter events;  // from the peer, on either channel
  Counter moves;   // to another area
  poll::Counters polls;
};

}  // namespace hush::relay
