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

}  // namespace

json describe(const Vif& vif) {
  const VifCounters& c = vif.counters();
  json tx = direction(c.guest_tx), rx = direction(c.guest_rx);
  tx["drops"] = drops<TxDrop>(c.tx_drops);
  tx["waits"] = c.tx_waits.get();
  tx["checksums"] = c.tx_checksums.get();
  rx["drops"] = drops<RxDrop>(c.rx_drops);
  rx["gso_checksum_fixup"] = c.rx_gso_checksum_fixup.get();
  return {{"vif", vif.name()},          {"state", xenstore::name(vif.state())}, {"serving", vif.serving()},
          {"connects", vif.connects()}, {"fault", name(vif.fault())},           {"guest_tx", std::move(tx)},
          {"guest_rx", std::move(rx)}};
}

}  // namespace hush::domu
