#include "xenstore/vif_config.hpp"

#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"

namespace hush::xenstore {
namespace {

// Event-channel ports end far below this on any Xen (FIFO ABI: 2^17).
constexpr std::uint32_t kMaxPort = (1U << 17) - 1;
constexpr std::uint32_t kMaxMtu = 65535 - 14;

std::string at(const std::string& directory, const char* key) {
  return directory + "/" + key;
}

// A flag is on for "1" alone: what else a peer writes means off.
Result<bool> read_flag(const View& view, const std::string& directory, const char* key) {
  auto text = view.read(at(directory, key));
  if (!text) return text.error();
  return *text == "1";
}

Result<std::uint32_t> read_required(const View& view, const std::string& directory, const char* key,
                                    std::uint32_t low, std::uint32_t high) {
  const std::string path = at(directory, key);
  auto text = view.read(path);
  if (!text) return text.error();
  if (!*text) return error(path + " is missing", ENOENT);
  const auto value = parse_number<std::uint32_t>(**text, low, high);
  if (!value)
    return error(path + " is '" + (*text)->substr(0, 32) + "', not a number from " + std::to_string(low) +
                     " to " + std::to_string(high),
                 EINVAL);
  return *value;
}

struct Flag {
  const char* key;
  bool Features::*member;
};
constexpr Flag kCommonFlags[] = {{key::kFeatureSg, &Features::sg},
                                 {key::kFeatureGsoTcpV4, &Features::gso_tcpv4},
                                 {key::kFeatureGsoTcpV6, &Features::gso_tcpv6},
                                 {key::kFeatureIpv6Csum, &Features::ipv6_csum}};

Result<Features> read_features(const View& view, const std::string& directory) {
  Features features;
  for (const Flag& flag : kCommonFlags) {
    auto on = read_flag(view, directory, flag.key);
    if (!on) return on.error();
    features.*flag.member = *on;
  }
  auto no_csum = read_flag(view, directory, key::kFeatureNoCsum);
  auto rx_notify = read_flag(view, directory, key::kFeatureRxNotify);
  auto split = read_flag(view, directory, key::kFeatureSplitEventChannels);
  for (const auto* flag : {&no_csum, &rx_notify, &split})
    if (!*flag) return flag->error();
  features.ipv4_csum = !*no_csum;
  features.rx_notify = *rx_notify;
  features.split_event_channels = *split;
  // Segmentation needs scatter-gather: a segment is larger than a slot.
  if (!features.sg) features.gso_tcpv4 = features.gso_tcpv6 = false;
  return features;
}

Result<void> write_common_features(const View& view, const std::string& directory, const Features& features) {
  for (const Flag& flag : kCommonFlags)
    if (auto done = view.write(at(directory, flag.key), features.*flag.member ? "1" : "0"); !done)
      return done;
  if (!features.ipv4_csum) return view.write(at(directory, key::kFeatureNoCsum), "1");
  return view.remove(at(directory, key::kFeatureNoCsum));
}

Result<QueueAddress> read_queue(const View& view, const std::string& directory) {
  auto tx = read_required(view, directory, key::kTxRingRef, 0, UINT32_MAX);
  if (!tx) return tx.error();
  auto rx = read_required(view, directory, key::kRxRingRef, 0, UINT32_MAX);
  if (!rx) return rx.error();
  auto split = view.read(at(directory, key::kEventChannelTx));
  if (!split) return split.error();
  auto tx_port =
      read_required(view, directory, *split ? key::kEventChannelTx : key::kEventChannel, 1, kMaxPort);
  if (!tx_port) return tx_port.error();
  auto rx_port = *split ? read_required(view, directory, key::kEventChannelRx, 1, kMaxPort) : tx_port;
  if (!rx_port) return rx_port.error();
  return QueueAddress{Gref{*tx}, Gref{*rx}, EvtchnPort{*tx_port}, EvtchnPort{*rx_port}};
}

// The directory of one queue's keys: the front end's own where there is only one.
std::string queue_directory(const std::string& frontend, std::uint32_t queue, std::size_t queues) {
  return queues == 1 ? frontend : frontend + "/" + key::kQueuePrefix + std::to_string(queue);
}

}  // namespace

std::string vif_name(VifId id) {
  return "vif" + std::to_string(id.domid.value) + "." + std::to_string(id.handle);
}

std::string backend_path(VifId id) {
  return std::string(key::kBackendVif) + "/" + std::to_string(id.domid.value) + "/" +
         std::to_string(id.handle);
}

std::optional<VifId> parse_backend_path(const std::string& path) {
  constexpr std::string_view kDomains = "/local/domain/";
  std::string_view rest = path;
  // A watch set on a relative path answers with relative paths; the toolstack's own are absolute.
  if (rest.starts_with(kDomains)) {
    rest.remove_prefix(kDomains.size());
    const std::size_t slash = rest.find('/');
    if (slash == rest.npos || !parse_number<std::uint16_t>(rest.substr(0, slash), 0, kDomIdMax))
      return std::nullopt;
    rest.remove_prefix(slash + 1);
  }
  const std::string prefix = std::string(key::kBackendVif) + "/";
  if (!rest.starts_with(prefix)) return std::nullopt;
  const std::string_view numbers = rest.substr(prefix.size());
  const std::size_t slash = numbers.find('/');
  if (slash == numbers.npos) return std::nullopt;
  const std::string_view domain = numbers.substr(0, slash);
  const std::string_view device = numbers.substr(slash + 1, numbers.find('/', slash + 1) - slash - 1);
  const auto domid = parse_number<std::uint16_t>(domain, 0, kDomIdMax);
  const auto handle = parse_number<std::uint32_t>(device, 0, kMaxHandle);
  if (!domid || !handle) return std::nullopt;
  // Another spelling of a number ("07") is another node, not this vif's.
  if (domain != std::to_string(*domid) || device != std::to_string(*handle)) return std::nullopt;
  return VifId{DomId{*domid}, *handle};
}

Result<DomId> read_own_domain(const View& view) {
  auto text = view.read(key::kDomid);
  if (!text) return text.error();
  const auto domid = parse_number<std::uint16_t>(text->value_or(""), 0, kDomIdMax);
  if (!domid)
    return error("xenstore: domid is '" + text->value_or("") +
                     "', not a domain's number; in Dom0 xen-init-dom0 writes it",
                 EINVAL);
  return DomId{*domid};
}

Result<BackendSettings> read_backend_settings(const View& view, VifId id) {
  const std::string directory = backend_path(id);
  auto frontend = view.read(at(directory, key::kFrontend));
  if (!frontend) return frontend.error();
  if (!*frontend) return error(at(directory, key::kFrontend) + " is missing", ENOENT);
  auto frontend_id = read_required(view, directory, key::kFrontendId, 0, kDomIdMax);
  if (!frontend_id) return frontend_id.error();
  if (*frontend_id != id.domid.value)
    return error(at(directory, key::kFrontendId) + " is " + std::to_string(*frontend_id) +
                     ", the path says " + std::to_string(id.domid.value),
                 EINVAL);
  auto online = read_flag(view, directory, key::kOnline);
  auto bridge = view.read(at(directory, key::kBridge));
  auto mtu = view.read(at(directory, key::kMtu));
  auto hotplug = view.read(at(directory, key::kHotplugStatus));
  if (!online) return online.error();
  for (const auto* text : {&bridge, &mtu, &hotplug})
    if (!*text) return text->error();
  BackendSettings settings;
  settings.frontend = **frontend;
  settings.online = *online;
  settings.bridge = *bridge;
  if (*mtu) settings.mtu = parse_number<std::uint32_t>(**mtu, 68, kMaxMtu);
  settings.hotplug_done = !*hotplug || **hotplug == "connected";
  return settings;
}

Result<void> write_backend_offer(const View& view, VifId id, const Features& features,
                                 std::uint32_t max_queues) {
  const std::string directory = backend_path(id);
  if (auto done = write_common_features(view, directory, features); !done) return done;
  if (auto done = view.write(at(directory, key::kMultiQueueMaxQueues), std::to_string(max_queues)); !done)
    return done;
  if (auto done = view.write(at(directory, key::kFeatureRxCopy), "1"); !done) return done;
  if (auto done = view.write(at(directory, key::kFeatureRxFlip), "0"); !done) return done;
  return view.write(at(directory, key::kFeatureSplitEventChannels),
                    features.split_event_channels ? "1" : "0");
}

Result<FrontendOffer> read_frontend_offer(const View& view, const std::string& frontend,
                                          std::uint32_t max_queues) {
  FrontendOffer offer;
  auto wanted = view.read(at(frontend, key::kMultiQueueNumQueues));
  if (!wanted) return wanted.error();
  const auto queues = *wanted ? read_required(view, frontend, key::kMultiQueueNumQueues, 1, max_queues)
                              : Result<std::uint32_t>{1};
  if (!queues) return queues.error();
  for (std::uint32_t i = 0; i < *queues; ++i) {
    auto queue = read_queue(view, queue_directory(frontend, i, *queues));
    if (!queue) return queue.error();
    offer.queues.push_back(*queue);
  }
  auto rx_copy = read_flag(view, frontend, key::kRequestRxCopy);
  if (!rx_copy) return rx_copy.error();
  if (!*rx_copy)
    return error(at(frontend, key::kRequestRxCopy) + " is not 1: page flipping is not served", EOPNOTSUPP);
  auto features = read_features(view, frontend);
  if (!features) return features.error();
  offer.features = *features;
  return offer;
}

std::string frontend_path(std::uint32_t device) {
  return std::string(key::kDeviceVif) + "/" + std::to_string(device);
}

Result<FrontendSettings> read_frontend_settings(const View& view, const std::string& frontend) {
  auto backend = view.read(at(frontend, key::kBackend));
  if (!backend) return backend.error();
  if (!*backend) return error(at(frontend, key::kBackend) + " is missing", ENOENT);
  auto backend_id = read_required(view, frontend, key::kBackendId, 0, kDomIdMax);
  if (!backend_id) return backend_id.error();
  auto mac = view.read(at(frontend, key::kMac));
  auto mtu = view.read(at(frontend, key::kMtu));
  for (const auto* text : {&mac, &mtu})
    if (!*text) return text->error();
  FrontendSettings settings{**backend, DomId{static_cast<std::uint16_t>(*backend_id)}, mac->value_or(""), {}};
  if (*mtu) settings.mtu = parse_number<std::uint32_t>(**mtu, 68, kMaxMtu);
  return settings;
}

Result<bool> read_online(const View& view, const std::string& backend) {
  return read_flag(view, backend, key::kOnline);
}

Result<Features> read_backend_features(const View& view, const std::string& backend) {
  auto rx_copy = read_flag(view, backend, key::kFeatureRxCopy);
  if (!rx_copy) return rx_copy.error();
  if (!*rx_copy)
    return error(at(backend, key::kFeatureRxCopy) + " is not 1: the back end is too old", EOPNOTSUPP);
  return read_features(view, backend);
}

Result<void> write_frontend_offer(const View& view, const std::string& frontend, const FrontendOffer& offer) {
  const auto& queue = offer.queues.front();
  const auto write = [&](const char* key, std::uint32_t value) {
    return view.write(at(frontend, key), std::to_string(value));
  };
  // One queue. A driver that had the vif before may have left its count of them.
  if (auto done = view.remove(at(frontend, key::kMultiQueueNumQueues)); !done) return done;
  if (auto done = write(key::kTxRingRef, queue.tx_ring.value); !done) return done;
  if (auto done = write(key::kRxRingRef, queue.rx_ring.value); !done) return done;
  const bool split = queue.tx_port != queue.rx_port;
  // Keys of the other form may be left from an earlier connection.
  for (const char* stale :
       {split ? key::kEventChannel : key::kEventChannelTx, split ? key::kEventChannel : key::kEventChannelRx})
    if (auto done = view.remove(at(frontend, stale)); !done) return done;
  if (auto done = write(split ? key::kEventChannelTx : key::kEventChannel, queue.tx_port.value); !done)
    return done;
  if (split)
    if (auto done = write(key::kEventChannelRx, queue.rx_port.value); !done) return done;
  if (auto done = write(key::kRequestRxCopy, 1); !done) return done;
  if (auto done = write(key::kFeatureRxNotify, 1); !done) return done;
  return write_common_features(view, frontend, offer.features);
}

Result<void> publish_frontend_offer(Client& client, const std::string& frontend, const FrontendOffer& offer) {
  return client.transact([&](View& view) -> Result<void> {
    const std::string state = at(frontend, key::kState);
    auto now = view.read(state);
    if (!now) return now.error();
    if (!*now) return error(frontend + " is gone", ENOENT);
    if (auto done = write_frontend_offer(view, frontend, offer); !done) return done;
    return view.write(state, to_text(XenbusState::connected));
  });
}

Result<XenbusState> read_state(const View& view, const std::string& directory) {
  auto text = view.read(at(directory, key::kState));
  if (!text) return text.error();
  return *text ? parse_state(**text) : XenbusState::unknown;
}

Result<void> switch_state(Client& client, const std::string& directory, XenbusState state) {
  return client.transact([&](View& view) -> Result<void> {
    auto now = view.read(at(directory, key::kState));
    if (!now) return now.error();
    if (!*now) return {};
    return view.write(at(directory, key::kState), to_text(state));
  });
}

}  // namespace hush::xenstore
