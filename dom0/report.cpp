#include "dom0/report.hpp"

namespace hush::dom0 {
namespace {

using nlohmann::json;

json direction(const DirectionCounters& c) {
  return {{"packets", c.packets.get()},
          {"bytes", c.bytes.get()},
          {"slots", c.slots.get()},
          {"batches", c.batches.get()},
          {"copy_calls", c.copy_calls.get()},
          {"copies", c.copies.get()},
          {"notifies_sent", c.notifies_sent.get()},
          {"notifies_saved", c.notifies_saved.get()},
          {"events", c.events.get()}};
}

}  // namespace

json describe(const Vif& vif) {
  json line{
      {"vif", vif.name()},         {"interface", vif.interface_name()},    {"domid", vif.id().domid.value},
      {"handle", vif.id().handle}, {"state", xenstore::name(vif.state())}, {"connects", vif.connects()},
      {"fault", vif.fault()}};
  if (vif.queue()) {
    const auto& at = vif.queue()->address();
    line["tx_ring_ref"] = at.tx_ring.value;
    line["rx_ring_ref"] = at.rx_ring.value;
    line["event_channel_tx"] = at.tx_port.value;
    line["event_channel_rx"] = at.rx_port.value;
    const auto& f = vif.frontend_features();
    line["frontend"] = {{"sg", f.sg},
                        {"gso_tcpv4", f.gso_tcpv4},
                        {"gso_tcpv6", f.gso_tcpv6},
                        {"ipv4_csum", f.ipv4_csum},
                        {"ipv6_csum", f.ipv6_csum},
                        {"rx_notify", f.rx_notify}};
  }
  return line;
}

json count(const Vif& vif) {
  const QueueCounters& c = vif.counters();
  json tx_drops = json::object(), rx_drops = json::object();
  for (std::size_t i = 1; i < netif::kTxFaults; ++i)
    tx_drops[std::string(netif::name(static_cast<netif::TxFault>(i)))] = c.tx_faults[i].get();
  for (std::size_t i = 0; i < kRxDrops; ++i)
    rx_drops[std::string(name(static_cast<RxDrop>(i)))] = c.rx_drops[i].get();
  return {{"vif", vif.name()},
          {"state", xenstore::name(vif.state())},
          {"guest_tx", direction(c.guest_tx)},
          {"guest_rx", direction(c.guest_rx)},
          {"rx_waits", c.rx_waits.get()},
          {"rx_gso_checksum_fixup", c.rx_gso_checksum_fixup.get()},
          {"drops", {{"guest_tx", tx_drops}, {"guest_rx", rx_drops}}}};
}

}  // namespace hush::dom0
