// The front end's side of vif_config.hpp.
#include <algorithm>

#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"
#include "xenstore/vif_config.hpp"
#include "xenstore/vif_fields.hpp"

namespace hush::xenstore {
namespace {

Result<void> write_number(const View& view, const std::string& directory, const char* key,
                          std::uint32_t value) {
  return view.write(at(directory, key), std::to_string(value));
}

Result<void> write_area(const View& view, const std::string& directory,
                        const std::optional<AreaAddress>& area) {
  for (const char* stale : {key::kHushAreaOffer, key::kHushAreaDeclined})
    if (auto done = view.remove(at(directory, stale)); !done) return done;
  if (!area) {
    for (const char* stale : {key::kHushAreaRef, key::kHushAreaPages})
      if (auto done = view.remove(at(directory, stale)); !done) return done;
    return {};
  }
  if (auto done = write_number(view, directory, key::kHushAreaRef, area->header_page.value); !done)
    return done;
  return write_number(view, directory, key::kHushAreaPages, area->pages);
}

Result<void> write_queue(const View& view, const std::string& directory, const QueueAddress& queue) {
  if (auto done = write_area(view, directory, queue.area); !done) return done;
  const bool split = queue.tx_port != queue.rx_port;
  // Keys of the other form may be left from an earlier connection.
  for (const char* stale :
       {split ? key::kEventChannel : key::kEventChannelTx, split ? key::kEventChannel : key::kEventChannelRx})
    if (auto done = view.remove(at(directory, stale)); !done) return done;
  if (auto done = write_number(view, directory, key::kTxRingRef, queue.tx_ring.value); !done) return done;
  if (auto done = write_number(view, directory, key::kRxRingRef, queue.rx_ring.value); !done) return done;
  if (!split) return write_number(view, directory, key::kEventChannel, queue.tx_port.value);
  if (auto done = write_number(view, directory, key::kEventChannelTx, queue.tx_port.value); !done)
    return done;
  return write_number(view, directory, key::kEventChannelRx, queue.rx_port.value);
}

// An earlier connection, or another driver, may have had another number of queues: none of their rings stays.
Result<void> remove_other_queues(const View& view, const std::string& frontend, std::size_t queues) {
  for (std::uint32_t i = queues == 1 ? 0 : static_cast<std::uint32_t>(queues); i < kMaxQueues; ++i)
    if (auto done = view.remove(queue_directory(frontend, i, kMaxQueues)); !done) return done;
  if (queues == 1) return {};
  for (const char* flat :
       {key::kTxRingRef, key::kRxRingRef, key::kEventChannel, key::kEventChannelTx, key::kEventChannelRx,
        key::kHushAreaRef, key::kHushAreaPages, key::kHushAreaOffer, key::kHushAreaDeclined})
    if (auto done = view.remove(at(frontend, flat)); !done) return done;
  return {};
}

// A driver that had the vif before may have left keys of a control ring.
Result<void> write_ctrl(const View& view, const std::string& directory,
                        const std::optional<CtrlAddress>& ctrl) {
  if (!ctrl) {
    if (auto done = view.remove(at(directory, key::kCtrlRingRef)); !done) return done;
    return view.remove(at(directory, key::kEventChannelCtrl));
  }
  if (auto done = write_number(view, directory, key::kCtrlRingRef, ctrl->ring.value); !done) return done;
  return write_number(view, directory, key::kEventChannelCtrl, ctrl->port.value);
}

}  // namespace

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
  auto features = read_features(view, backend);
  if (!features) return features;
  auto area = view.read(at(backend, key::kFeatureHushArea));
  if (!area) return area.error();
  features->hush_area = parse_number<std::uint32_t>(area->value_or(""), 0, UINT32_MAX).value_or(0);
  return features;
}

Result<std::optional<std::uint32_t>> read_max_queues(const View& view, const std::string& backend) {
  auto said = view.read(at(backend, key::kMultiQueueMaxQueues));
  if (!said) return said.error();
  if (!*said) return std::optional<std::uint32_t>{1};
  const auto queues = parse_number<std::uint32_t>(**said, 1, UINT32_MAX);
  return queues ? std::optional(std::min(*queues, kMaxQueues)) : std::nullopt;
}

Result<AreaAnswer> read_area_answer(const View& view, const std::string& backend) {
  auto taken = view.read(at(backend, key::kHushAreaGeneration));
  if (!taken) return taken.error();
  if (*taken) return AreaAnswer{parse_number<std::uint32_t>(**taken, 1, UINT32_MAX).value_or(0)};
  auto refused = view.read(at(backend, key::kHushAreaRefused));
  if (!refused) return refused.error();
  const std::string text = refused->value_or("");
  const std::size_t space = text.find(' ');
  if (space == text.npos) return AreaAnswer{};
  return AreaAnswer{parse_number<std::uint32_t>(text.substr(0, space), 1, UINT32_MAX).value_or(0),
                    text.substr(space + 1)};
}

std::string read_area_refusal(const View& view, const std::string& backend) {
  const auto answer = read_area_answer(view, backend);
  if (!answer) return answer.error().text;
  if (answer->generation != kFirstGeneration) return "it gives no answer";
  return answer->refused;
}

std::chrono::milliseconds read_area_stall(const View& view, const std::string& backend) {
  const auto said = view.read(at(backend, key::kHushAreaStall));
  const auto number =
      said && *said ? parse_number<std::uint32_t>(**said, 1, kMaxAreaStall) : std::optional<std::uint32_t>();
  return number ? std::chrono::milliseconds(*number) : kDefaultAreaStall;
}

Result<void> write_frontend_offer(const View& view, const std::string& frontend, const FrontendOffer& offer) {
  const std::size_t queues = offer.queues.size();
  // One queue: a driver that had the vif before may have left its count of them.
  if (auto done = queues == 1 ? view.remove(at(frontend, key::kMultiQueueNumQueues))
                              : view.write(at(frontend, key::kMultiQueueNumQueues), std::to_string(queues));
      !done)
    return done;
  if (auto done = remove_other_queues(view, frontend, queues); !done) return done;
  for (std::uint32_t i = 0; i < queues; ++i)
    if (auto done = write_queue(view, queue_directory(frontend, i, queues), offer.queues[i]); !done)
      return done;
  if (auto done = write_ctrl(view, frontend, offer.ctrl); !done) return done;
  if (auto done = offer.area_version != 0
                      ? write_number(view, frontend, key::kHushAreaVersion, offer.area_version)
                      : view.remove(at(frontend, key::kHushAreaVersion));
      !done)
    return done;
  for (const char* key : {key::kRequestRxCopy, key::kFeatureRxNotify})
    if (auto done = view.write(at(frontend, key), "1"); !done) return done;
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

}  // namespace hush::xenstore
