#include "dom0/report.hpp"

namespace hush::dom0 {
namespace {

using nlohmann::json;

// The sum over a vif's queues of what pick() finds in each.
template <class Pick>
std::uint64_t sum(const Vif& vif, Pick pick) {
  std::uint64_t total = 0;
  for (const QueueCounters& queue : vif.counters()) total += pick(queue).get();
  return total;
}

json direction(const Vif& vif, DirectionCounters QueueCounters::*which) {
  json counts;
  const auto add = [&](const char* name, Counter DirectionCounters::*counter) {
    counts[name] = sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.*which.*counter; });
  };
  add("packets", &DirectionCounters::packets);
  add("bytes", &DirectionCounters::bytes);
  add("slots", &DirectionCounters::slots);
  add("batches", &DirectionCounters::batches);
  add("copy_calls", &DirectionCounters::copy_calls);
  add("copies", &DirectionCounters::copies);
  add("notifies_sent", &DirectionCounters::notifies_sent);
  add("notifies_saved", &DirectionCounters::notifies_saved);
  add("events", &DirectionCounters::events);
  return counts;
}

}  // namespace

json describe(const Vif& vif) {
  json line{
      {"vif", vif.name()},         {"interface", vif.interface_name()},    {"domid", vif.id().domid.value},
      {"handle", vif.id().handle}, {"state", xenstore::name(vif.state())}, {"connects", vif.connects()},
      {"fault", vif.fault()}};
  if (!vif.connected()) return line;
  for (const auto& at : vif.addresses())
    line["queues"].push_back({{"tx_ring_ref", at.tx_ring.value},
                              {"rx_ring_ref", at.rx_ring.value},
                              {"event_channel_tx", at.tx_port.value},
                              {"event_channel_rx", at.rx_port.value}});
  const auto& f = vif.frontend_features();
  line["frontend"] = {{"sg", f.sg},
                      {"gso_tcpv4", f.gso_tcpv4},
                      {"gso_tcpv6", f.gso_tcpv6},
                      {"ipv4_csum", f.ipv4_csum},
                      {"ipv6_csum", f.ipv6_csum},
                      {"rx_notify", f.rx_notify}};
  return line;
}

json count(const Vif& vif) {
  json tx_drops = json::object(), rx_drops = json::object(), packets = json::array();
  for (std::size_t i = 1; i < netif::kTxFaults; ++i)
    tx_drops[std::string(netif::name(static_cast<netif::TxFault>(i)))] =
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.tx_faults[i]; });
  for (std::size_t i = 0; i < kRxDrops; ++i)
    rx_drops[std::string(name(static_cast<RxDrop>(i)))] =
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.rx_drops[i]; });
  for (const QueueCounters& q : vif.counters())
    packets.push_back({{"guest_tx", q.guest_tx.packets.get()}, {"guest_rx", q.guest_rx.packets.get()}});
  const auto total = [&](Counter QueueCounters::*which) {
    return sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.*which; });
  };
  return {{"vif", vif.name()},
          {"state", xenstore::name(vif.state())},
          {"guest_tx", direction(vif, &QueueCounters::guest_tx)},
          {"guest_rx", direction(vif, &QueueCounters::guest_rx)},
          {"packets_by_queue", packets},
          {"rx_waits", total(&QueueCounters::rx_waits)},
          {"rx_gso_checksum_fixup", total(&QueueCounters::rx_gso_checksum_fixup)},
          {"drops", {{"guest_tx", tx_drops}, {"guest_rx", rx_drops}}}};
}

}  // namespace hush::dom0
