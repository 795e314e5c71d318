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

// Of both paths.
json polls(const Vif& vif) {
  json counts = json::object();
  for (const auto& named : poll::kCounts)
    counts[named.name] =
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.polls.*named.counter; }) +
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.area.polls.*named.counter; });
  return counts;
}

// How the vif is polled, and what decides it.
json polling_json(const Vif& vif) {
  const poll::Rules rules = vif.polling();
  return {{"mode", poll::kModes[static_cast<std::size_t>(rules.mode)]},
          {"least_ns", rules.least.count()},
          {"most_ns", rules.most.count()},
          {"wake_cost_ns", rules.wake_cost.count()}};
}

// Adds what a vif's areas count in one direction to what its rings count.
template <class Counters, std::size_t Count>
void add_area(const Vif& vif, Counters relay::EndCounters::*which,
              const std::array<relay::NamedCount<Counters>, Count>& names, json& counts, json& drops) {
  for (const auto& named : names) {
    const std::uint64_t here =
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.area.*which.*named.counter; });
    counts[named.name] = counts.value(named.name, std::uint64_t{0}) + here;
  }
  for (std::size_t i = 0; i < relay::kDrops; ++i)
    drops[std::string(relay::name(static_cast<relay::Drop>(i)))] =
        sum(vif, [&](const QueueCounters& q) -> const Counter& { return (q.area.*which).drops[i]; });
}

json features_json(const xenstore::Features& f) {
  return {{"sg", f.sg},
          {"gso_tcpv4", f.gso_tcpv4},
          {"gso_tcpv6", f.gso_tcpv6},
          {"ipv4_csum", f.ipv4_csum},
          {"ipv6_csum", f.ipv6_csum},
          {"rx_notify", f.rx_notify},
          {"split_event_channels", f.split_event_channels},
          {"multicast_control", f.multicast_control},
          {"hush_area", f.hush_area}};
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

json words_json(const area::WordsLook& look, std::uint32_t ring, std::uint32_t max_frame) {
  return {{"ring_bytes", ring},
          {"max_frame", max_frame},
          {"produced", look.produced},
          {"consumed", look.consumed},
          {"bytes_waiting", look.produced - look.consumed},
          {"mode_word", look.mode},
          {"room_word", look.room}};
}

// How guest_tx of a queue began, and what a take-over found.
json resumed_json(const TxResumed& resumed) {
  using From = TxResumed::From;
  const char* began = resumed.from == From::start  ? "new"
                      : resumed.from == From::file ? "by its file"
                      : resumed.from == From::ring ? "by its ring: no file"
                                                   : "by its ring: file refused";
  return {{"began", began},
          {"taken", resumed.taken},
          {"sent", resumed.sent},
          {"answered", resumed.answered},
          {"refused", resumed.refused},
          {"not_kept", resumed.not_kept}};
}

void add_rings(json& queue, const QueueLook& look) {
  if (const auto* rings = std::get_if<RingsLook>(&look.rings)) {
    queue["guest_tx"] = ring_json(rings->tx);
    queue["guest_rx"] = ring_json(rings->rx);
    return;
  }
  const auto& area = std::get<AreaLook>(look.rings);
  queue["area"] = {{"generation", area.header.generation},
                   {"pages", area.header.pages},
                   {"front_end_lives", area.peer_lives}};
  if (look.port_sum) queue["port_sum"] = *look.port_sum;
  queue["guest_tx"] = words_json(area.tx, area.header.guest_tx_ring, area.header.guest_tx_max_frame);
  queue["guest_rx"] = words_json(area.rx, area.header.guest_rx_ring, area.header.guest_rx_max_frame);
}

// The hop inside this domain, both ways together.
json wire_json(const Vif& vif) {
  const auto both = [&](auto in, auto out) {
    return sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.area.in.*in; }) +
           sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.area.out.*out; });
  };
  return {{"number", vif.settings().values.wire},
          {"hops_woken", both(&relay::InCounters::hops_woken, &relay::OutCounters::hops_woken)},
          {"hops_saved", both(&relay::InCounters::hops_saved, &relay::OutCounters::hops_saved)}};
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
          {"cause", look.stall->cause},
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
            {"mode", vif.on_area_path() ? "area" : "netif"},
            {"queues", json::array()},
            {"fault", vif.fault()}};
  if (!vif.area_answer().refused.empty()) line["area_refused"] = vif.area_answer().refused;
  if (!vif.connected()) return line;
  for (const auto& at : vif.addresses())
    line["queues"].push_back({{"tx_ring_ref", at.tx_ring.value},
                              {"rx_ring_ref", at.rx_ring.value},
                              {"event_channel_tx", at.tx_port.value},
                              {"event_channel_rx", at.rx_port.value}});
  return line;
}

json describe(const AreaGovernor::Look& area) {
  const auto sizes = [](const area::Sizes& rings) {
    return json{{"guest_tx", rings.guest_tx}, {"guest_rx", rings.guest_rx}};
  };
  return {{"vif", xenstore::vif_name(area.id.vif)},
          {"queue", area.id.queue},
          {"generation", area.generation},
          {"bytes", area.bytes},
          {"in_use", sizes(area.in_use)},
          {"target", area.target ? sizes(*area.target) : json()},
          {"wanted", sizes(area.wanted)},
          {"minimum", sizes(area.minimum)},
          {"switches", area.switches},
          {"failures", area.failures},
          {"last_reason", area.last_reason},
          {"pending_reason", area.pending_reason},
          {"last_failure", area.last_failure}};
}

json describe_fully(const Vif& vif, const xenstore::VifFacts& facts, const AreaGovernor& governor) {
  json all = describe(vif, facts);
  all["handshake"] = {{"backend", xenstore::name(vif.state())},
                      {"frontend", xenstore::name(facts.frontend_state)},
                      {"frontend_path", facts.frontend},
                      {"hotplug_status", facts.hotplug_status}};
  all["settings"] = settings_json(vif.settings());
  all["polling"] = polling_json(vif);
  all["polls"] = polls(vif);
  all["features"] = {{"offered", features_json(vif.offered())}};
  all["stalls"] = json::array();
  all["workload"] = vif.workload();
  if (const FirstSize& first = vif.first_size(); !first.source.empty())
    all["first_size"] = {{"guest_tx", first.guest_tx},
                         {"guest_rx", first.guest_rx},
                         {"queues", first.queues},
                         {"source", first.source}};
  if (!vif.connected()) return all;
  all["features"]["frontend"] = features_json(vif.frontend_features());
  all["features"]["in_use"] = features_json(vif.features_in_use());
  if (vif.on_area_path() && vif.settings().values.port == xenstore::PortKind::wire)
    all["wire"] = wire_json(vif);
  const auto looks = vif.look();
  for (std::size_t i = 0; i < looks.size(); ++i) {
    const QueueLook& look = looks[i].queue;
    json& queue = all["queues"][i];
    queue["state"] = look.state;
    queue["thread"] = looks[i].thread;
    queue["between_arrivals_ns"] = look.expected.count();
    queue["local_port_tx"] = look.tx_port.value;
    queue["local_port_rx"] = look.rx_port.value;
    add_rings(queue, look);
    if (look.resumed) queue["inflight"] = resumed_json(*look.resumed);
    if (const auto area = governor.look({vif.id(), i})) queue["area"].update(describe(*area));
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
    packets.push_back({{"guest_tx", q.guest_tx.packets.get() + q.area.in.packets.get()},
                       {"guest_rx", q.guest_rx.packets.get() + q.area.out.packets.get()}});
  json tx = direction(vif, &QueueCounters::guest_tx), rx = direction(vif, &QueueCounters::guest_rx);
  add_area(vif, &relay::EndCounters::in, relay::kInCounts, tx, tx_drops);
  add_area(vif, &relay::EndCounters::out, relay::kOutCounts, rx, rx_drops);
  const auto total = [&](Counter QueueCounters::*which) {
    return sum(vif, [&](const QueueCounters& q) -> const Counter& { return q.*which; });
  };
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return {{"vif", vif.name()},
          {"at_ns", std::chrono::nanoseconds(now).count()},
          {"state", xenstore::name(vif.state())},
          {"guest_tx", std::move(tx)},
          {"guest_rx", std::move(rx)},
          {"packets_by_queue", packets},
          {"polls", polls(vif)},
          {"tx_throttled", total(&QueueCounters::tx_throttled)},
          {"rx_waits", total(&QueueCounters::rx_waits)},
          {"rx_stalls", total(&QueueCounters::rx_stalls)},
          {"inflight",
           {{"taken", total(&QueueCounters::inflight_taken)},
            {"sent", total(&QueueCounters::inflight_sent)},
            {"answered", total(&QueueCounters::inflight_answered)},
            {"missing", total(&QueueCounters::inflight_missing)},
            {"refused", total(&QueueCounters::inflight_refused)}}},
          {"ethtool", ethtool_counters(total(&QueueCounters::rx_gso_checksum_fixup))},
          {"drops", {{"guest_tx", tx_drops}, {"guest_rx", rx_drops}}}};
}

}  // namespace hush::dom0
