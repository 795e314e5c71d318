#include "domu/report.hpp"

namespace hush::domu {
namespace {

using nlohmann::json;

json direction(const DirectionCounters& c) {
  return {{"packets", c.packets.get()},
          {"bytes", c.bytes.get()},
          {"slots", c.slots.get()},
          {"batches", c.batches.get()},
          {"notifies_sent", c.notifies_sent.get()},
          {"notifies_saved", c.notifies_saved.get()},
          {"events", c.events.get()}};
}

template <class Drop, std::size_t Count>
json drops(const std::array<Counter, Count>& counters) {
  json said = json::object();
  for (std::size_t i = 0; i < Count; ++i) said[std::string(name(static_cast<Drop>(i)))] = counters[i].get();
  return said;
}

// Adds what the areas count in one direction to what the rings count.
template <class Counters, std::size_t Count>
void add_area(const Counters& counters, const std::array<relay::NamedCount<Counters>, Count>& names,
              json& counts) {
  for (const auto& [name, counter] : names)
    counts[name] = counts.value(name, std::uint64_t{0}) + (counters.*counter).get();
  for (std::size_t i = 0; i < relay::kDrops; ++i)
    counts["drops"][std::string(relay::name(static_cast<relay::Drop>(i)))] = counters.drops[i].get();
}

json polls(const QueueCounters& c) {
  json counts = json::object();
  for (const auto& [name, counter] : poll::kCounts)
    counts[name] = (c.polls.*counter).get() + (c.area.polls.*counter).get();
  return counts;
}

json polling_json(const poll::Rules& rules) {
  return {{"mode", poll::kModes[static_cast<std::size_t>(rules.mode)]},
          {"least_ns", rules.least.count()},
          {"most_ns", rules.most.count()},
          {"wake_cost_ns", rules.wake_cost.count()}};
}

// What one queue counts.
json queue_counts(const QueueCounters& c) {
  json tx = direction(c.guest_tx), rx = direction(c.guest_rx);
  tx["drops"] = drops<TxDrop>(c.tx_drops);
  tx["waits"] = c.tx_waits.get();
  tx["checksums"] = c.tx_checksums.get();
  rx["drops"] = drops<RxDrop>(c.rx_drops);
  add_area(c.area.out, relay::kOutCounts, tx);
  add_area(c.area.in, relay::kInCounts, rx);
  rx["gso_checksum_fixup"] = c.rx_gso_checksum_fixup.get();
  return {{"polls", polls(c)},
          {"events", c.guest_tx.events.get() + c.guest_rx.events.get() + c.area.events.get()},
          {"guest_tx", std::move(tx)},
          {"guest_rx", std::move(rx)}};
}

// Adds numbers to those of the same names.
void add(json& sums, const json& counts) {
  for (const auto& [name, value] : counts.items())
    if (value.is_object())
      add(sums.emplace(name, json::object()).first.value(), value);
    else
      sums[name] = sums.value(name, std::uint64_t{0}) + value.get<std::uint64_t>();
}

}  // namespace

json describe(const Vif& vif) {
  json said = {{"polling", polling_json(vif.polling())},
               {"vif", vif.name()},
               {"state", xenstore::name(vif.state())},
               {"serving", vif.serving()},
               {"path", vif.on_area_path() ? "area" : "netif"},
               {"connects", vif.connects()},
               {"fault", name(vif.fault())}};
  json sums = json::object(), queues = json::array();
  for (const QueueCounters& counters : vif.counters()) {
    queues.push_back(queue_counts(counters));
    add(sums, queues.back());
  }
  const auto threads = vif.thread_names();
  for (std::size_t i = 0; i < threads.size(); ++i) queues[i]["thread"] = threads[i];
  said.update(sums);
  said["queues"] = std::move(queues);
  return said;
}

}  // namespace hush::domu
