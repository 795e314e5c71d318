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
  for (std::size_t i = 0; i < kBatchSizes; ++i)
    counts["batch_sizes"].push_back(
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return (q.*which).batch_sizes[i]; }));
  add("storms", &DirectionCounters::storms);
  return counts;
}

json features_json(const xenstore::Features& f) {
  return {{"sg", f.sg},
          {"gso_tcpv4", f.gso_tcpv4},
          {"gso_tcpv6", f.gso_tcpv6},
          {"ipv4_csum", f.ipv4_csum},
          {"ipv6_csum", f.ipv6_csum},
          {"rx_notify", f.rx_notify},
          {"split_event_channels", f.split_event_channels},
          {"multicast_control", f.multicast_control}};
}

json ring_json(const ring::Look& look) {
  return {{"req_prod", look.req_prod},
          {"req_event", look.req_event},
          {"req_cons", look.own.consumed},
          {"rsp_prod", look.rsp_prod},
          {"rsp_event", look.rsp_event},
          {"rsp_put", look.own.produced},
          {"requests_waiting", look.req_prod - look.own.consumed}};
}

json settings_json(const xenstore::Resolved& settings) {
  json lines = json::array();
  for (std::size_t i = 0; i < xenstore::kVifSettings; ++i) {
    const auto& setting = xenstore::vif_settings()[i];
    lines.push_back({{"key", setting.name},
                     {"value", settings.origins[i].text},
                     {"unit", setting.unit},
                     {"source", settings.origins[i].path},
                     {"acts", setting.acts == xenstore::Acts::at_once ? "at once" : "at the next connect"}});
  }
  return lines;
}

constexpr auto kStallShown = std::chrono::seconds(1);

json stall_json(const Vif& vif, std::size_t queue, const QueueLook& look) {
  const auto lasted = StallWatch::Clock::now() - look.stall->since;
  return {{"vif", vif.name()},
          {"queue", queue},
          {"cause", to_text(*look.stall)},
          {"since_ms", std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count()}};
}

bool shown_as_stalled(const QueueLook& look) {
  return look.stall && StallWatch::Clock::now() - look.stall->since >= kStallShown;
}

// What `ethtool -S` says of the kernel's vif, by its names. Frames are copied here, never mapped, and a frame
// may take as many fragments as there are: the other four stay 0.
json ethtool_counters(std::uint64_t rx_gso_checksum_fixup) {
  return {{"rx_gso_checksum_fixup", rx_gso_checksum_fixup},
          {"tx_zerocopy_sent", 0},
          {"tx_zerocopy_success", 0},
          {"tx_zerocopy_fail", 0},
          {"tx_frag_overflow", 0}};
}

}  // namespace

json describe(const Vif& vif, const xenstore::VifFacts& facts) {
  json line{{"vif", vif.name()},
            {"interface", vif.interface_name()},
            {"domain", facts.domain_name},
            {"domid", vif.id().domid.value},
            {"handle", vif.id().handle},
            {"backend_id", facts.backend_id},
            {"backend_path", facts.backend_path},
            {"mac", facts.mac},
            {"bridge", facts.bridge},
            {"script", facts.script.substr(facts.script.rfind('/') + 1)},
            {"state", xenstore::name(vif.state())},
            {"connects", vif.connects()},
            {"mode", "netif"},
            {"queues", json::array()},
            {"fault", vif.fault()}};
  if (!vif.connected()) return line;
  for (const auto& at : vif.addresses())
    line["queues"].push_back({{"tx_ring_ref", at.tx_ring.value},
                              {"rx_ring_ref", at.rx_ring.value},
                              {"event_channel_tx", at.tx_port.value},
                              {"event_channel_rx", at.rx_port.value}});
  return line;
}

json describe_fully(const Vif& vif, const xenstore::VifFacts& facts) {
  json all = describe(vif, facts);
  all["handshake"] = {{"backend", xenstore::name(vif.state())},
                      {"frontend", xenstore::name(facts.frontend_state)},
                      {"frontend_path", facts.frontend},
                      {"hotplug_status", facts.hotplug_status}};
  all["settings"] = settings_json(vif.settings());
  all["features"] = {{"offered", features_json(vif.offered())}};
  all["stalls"] = json::array();
  if (!vif.connected()) return all;
  all["features"]["frontend"] = features_json(vif.frontend_features());
  all["features"]["in_use"] = features_json(vif.features_in_use());
  const auto looks = vif.look();
  for (std::size_t i = 0; i < looks.size(); ++i) {
    const QueueLook& look = looks[i].queue;
    json& queue = all["queues"][i];
    queue["state"] = look.state;
    queue["thread"] = looks[i].thread;
    queue["local_port_tx"] = look.tx_port.value;
    queue["local_port_rx"] = look.rx_port.value;
    queue["guest_tx"] = ring_json(look.tx);
    queue["guest_rx"] = ring_json(look.rx);
    if (shown_as_stalled(look)) all["stalls"].push_back(stall_json(vif, i, look));
  }
  return all;
}

std::vector<json> stalls_of(const Vif& vif) {
  std::vector<json> stalls;
  const auto looks = vif.look();
  for (std::size_t i = 0; i < looks.size(); ++i)
    if (shown_as_stalled(looks[i].queue)) stalls.push_back(stall_json(vif, i, looks[i].queue));
  return stalls;
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
          {"tx_throttled", total(&QueueCounters::tx_throttled)},
          {"rx_waits", total(&QueueCounters::rx_waits)},
          {"rx_stalls", total(&QueueCounters::rx_stalls)},
          {"ethtool", ethtool_counters(total(&QueueCounters::rx_gso_checksum_fixup))},
          {"drops", {{"guest_tx", tx_drops}, {"guest_rx", rx_drops}}}};
}

}  // namespace hush::dom0
