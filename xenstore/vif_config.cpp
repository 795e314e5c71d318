#include "xenstore/vif_config.hpp"

#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"
#include "xenstore/vif_fields.hpp"

namespace hush::xenstore {
namespace {

// Event-channel ports end far below this on any Xen (FIFO ABI: 2^17).
constexpr std::uint32_t kMaxPort = (1U << 17) - 1;
constexpr std::uint32_t kMaxAreaVersion = 1000;

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

Result<AreaAddress> read_area(const View& view, const std::string& directory) {
  auto ref = read_required(view, directory, key::kHushAreaRef, 0, UINT32_MAX);
  if (!ref) return ref.error();
  auto pages = read_required(view, directory, key::kHushAreaPages, 0, UINT32_MAX);
  if (!pages) return pages.error();
  return AreaAddress{Gref{*ref}, *pages};
}

// Of all queues. What makes no sense costs the areas, not the vif: it is said in area_trouble.
Result<void> read_areas(const View& view, const std::string& frontend, FrontendOffer& offer) {
  auto said = view.read(at(frontend, key::kHushAreaVersion));
  if (!said) return said.error();
  if (!*said) return {};
  const auto version = parse_number<std::uint32_t>(**said, 1, kMaxAreaVersion);
  offer.area_version = version.value_or(kMaxAreaVersion);
  if (!version) offer.area_trouble = at(frontend, key::kHushAreaVersion) + " is no version";
  const std::size_t queues = offer.queues.size();
  for (std::uint32_t i = 0; i < queues && offer.area_trouble.empty(); ++i) {
    auto area = read_area(view, queue_directory(frontend, i, queues));
    if (area)
      offer.queues[i].area = *area;
    else
      offer.area_trouble = area.error().text;
  }
  return {};
}

Result<CtrlAddress> read_ctrl(const View& view, const std::string& directory) {
  auto ring = read_required(view, directory, key::kCtrlRingRef, 0, UINT32_MAX);
  if (!ring) return ring.error();
  auto port = read_required(view, directory, key::kEventChannelCtrl, 1, kMaxPort);
  if (!port) return port.error();
  return CtrlAddress{Gref{*ring}, EvtchnPort{*port}};
}

Result<void> write_answer(const View& view, const std::string& directory, const AreaAnswer& answer) {
  if (answer.generation == 0) return {};
  const std::string generation = std::to_string(answer.generation);
  if (!answer.refused.empty())
    return view.write(at(directory, key::kHushAreaRefused), generation + " " + answer.refused);
  if (answer.session != 0)
    if (auto done = view.write(at(directory, key::kHushAreaSession), std::to_string(answer.session)); !done)
      return done;
  return view.write(at(directory, key::kHushAreaGeneration), generation);
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
  auto script = view.read(at(directory, key::kScript));
  auto vifname = view.read(at(directory, key::kVifname));
  auto mtu = view.read(at(directory, key::kMtu));
  auto hotplug = view.read(at(directory, key::kHotplugStatus));
  if (!online) return online.error();
  for (const auto* text : {&bridge, &script, &vifname, &mtu, &hotplug})
    if (!*text) return text->error();
  BackendSettings settings;
  settings.frontend = **frontend;
  settings.online = *online;
  settings.bridge = *bridge;
  settings.script = *script;
  settings.vifname = *vifname;
  if (*mtu) settings.mtu = parse_number<std::uint32_t>(**mtu, 68, kMaxMtu);
  settings.hotplug_done = !*hotplug || **hotplug == "connected";
  return settings;
}

Result<void> write_backend_offer(const View& view, VifId id, const Features& features,
                                 std::uint32_t max_queues, std::chrono::milliseconds area_stall,
                                 std::optional<area::Sizes> first_areas) {
  const std::string directory = backend_path(id);
  for (const char* stale : {key::kHushAreaGeneration, key::kHushAreaRefused, key::kHushAreaSession,
                            key::kHushAreaFirst, key::kHushAreaTarget, key::kHushAreaAnswer})
    if (auto done = view.remove(at(directory, stale)); !done) return done;
  for (std::uint32_t i = 0; i < kMaxQueues; ++i)
    if (auto done = view.remove(queue_directory(directory, i, kMaxQueues)); !done) return done;
  if (features.hush_area != 0) {
    for (const auto& [key, value] : {std::pair{key::kFeatureHushArea, std::to_string(features.hush_area)},
                                     std::pair{key::kHushAreaStall, std::to_string(area_stall.count())}})
      if (auto done = view.write(at(directory, key), value); !done) return done;
  } else if (auto done = view.remove(at(directory, key::kFeatureHushArea)); !done) {
    return done;
  }
  if (features.hush_area != 0 && first_areas)
    if (auto done =
            view.write(at(directory, key::kHushAreaFirst),
                       std::to_string(first_areas->guest_tx) + " " + std::to_string(first_areas->guest_rx));
        !done)
      return done;
  if (auto done = write_common_features(view, directory, features); !done) return done;
  if (auto done = view.write(at(directory, key::kMultiQueueMaxQueues), std::to_string(max_queues)); !done)
    return done;
  if (auto done = view.write(at(directory, key::kFeatureRxCopy), "1"); !done) return done;
  if (auto done = view.write(at(directory, key::kFeatureRxFlip), "0"); !done) return done;
  for (const char* key : {key::kFeatureMulticastControl, key::kFeatureDynamicMulticastControl})
    if (auto done = view.write(at(directory, key), features.multicast_control ? "1" : "0"); !done)
      return done;
  if (auto done = view.write(at(directory, key::kFeatureCtrlRing), "1"); !done) return done;
  if (auto done = view.write(at(directory, key::kCarrier), "0"); !done) return done;
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
  auto has_ctrl = view.read(at(frontend, key::kCtrlRingRef));
  if (!has_ctrl) return has_ctrl.error();
  if (*has_ctrl) {
    auto ctrl = read_ctrl(view, frontend);
    if (!ctrl) return ctrl.error();
    offer.ctrl = *ctrl;
  }
  if (auto done = read_areas(view, frontend, offer); !done) return done.error();
  return offer;
}

Result<void> switch_connected(Client& client, VifId id, const AreaAnswer& answer) {
  const std::string directory = backend_path(id);
  return write_if_there(client, directory, [&](const View& view) -> Result<void> {
    if (auto done = write_answer(view, directory, answer); !done) return done;
    return view.write(at(directory, key::kState), to_text(XenbusState::connected));
  });
}

Result<AreaAnswer> read_own_area_answer(const View& view, VifId id) {
  const std::string directory = backend_path(id);
  auto generation = view.read(at(directory, key::kHushAreaGeneration));
  if (!generation) return generation.error();
  if (!*generation) return AreaAnswer{};
  auto session = view.read(at(directory, key::kHushAreaSession));
  if (!session) return session.error();
  AreaAnswer answer{kFirstGeneration};
  if (*session) answer.session = parse_number<std::uint64_t>(**session, 0, UINT64_MAX).value_or(0);
  return answer;
}

Result<bool> read_multicast_request(const View& view, const std::string& frontend) {
  return read_flag(view, frontend, key::kRequestMulticastControl);
}

std::string multicast_request_path(const std::string& frontend) {
  return at(frontend, key::kRequestMulticastControl);
}

Result<void> switch_carrier(Client& client, VifId id, bool up) {
  const std::string directory = backend_path(id);
  return write_if_there(client, directory, [&](const View& view) {
    return view.write(at(directory, key::kCarrier), up ? "1" : "0");
  });
}

Result<XenbusState> read_state(const View& view, const std::string& directory) {
  auto text = view.read(at(directory, key::kState));
  if (!text) return text.error();
  return *text ? parse_state(**text) : XenbusState::unknown;
}

Result<void> switch_state(Client& client, const std::string& directory, XenbusState state) {
  return write_if_there(client, directory, [&](const View& view) {
    return view.write(at(directory, key::kState), to_text(state));
  });
}

}  // namespace hush::xenstore
