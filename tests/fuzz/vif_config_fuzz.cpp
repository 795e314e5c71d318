// Any text in any key that a peer or the toolstack writes: what is read is an error that says which key, or
// within its limits, and what is written from it is read back as the same.
#include <cstdlib>

#include "tests/support/fake_xen/world.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"
#include "xenstore/vif_config.hpp"

namespace {

using namespace hush;
using namespace hush::xenstore;

constexpr VifId kVif{test::kGuest, 0};
constexpr std::uint32_t kQueues = 4;
const std::string kFrontend = "/local/domain/7/device/vif/0";

constexpr const char* kKeys[] = {key::kState,
                                 key::kMac,
                                 key::kMtu,
                                 key::kFrontend,
                                 key::kFrontendId,
                                 key::kOnline,
                                 key::kBridge,
                                 key::kHotplugStatus,
                                 key::kFeatureSg,
                                 key::kFeatureGsoTcpV4,
                                 key::kFeatureGsoTcpV6,
                                 key::kFeatureIpv6Csum,
                                 key::kFeatureNoCsum,
                                 key::kFeatureRxCopy,
                                 key::kTxRingRef,
                                 key::kRxRingRef,
                                 key::kEventChannel,
                                 key::kEventChannelTx,
                                 key::kEventChannelRx,
                                 key::kRequestRxCopy,
                                 key::kFeatureRxNotify,
                                 key::kMultiQueueNumQueues,
                                 key::kBackend,
                                 key::kBackendId,
                                 key::kMultiQueueMaxQueues,
                                 key::kFeatureSplitEventChannels};

void require(bool holds) {
  if (!holds) std::abort();
}
// A failure names the place that it is about.
template <class T>
bool read_or_said(const Result<T>& result) {
  if (!result) require(result.error().text.find('/') != std::string::npos);
  return static_cast<bool>(result);
}

// The honest keys, so that an input need only spell the dishonest ones.
void write_honest(test::FakeXen& world) {
  const std::string backend = backend_path(kVif) + "/";
  world.write(backend + key::kFrontend, kFrontend);
  world.write(backend + key::kFrontendId, "7");
  world.write(kFrontend + "/" + key::kBackend, "/local/domain/0/" + backend_path(kVif));
  world.write(kFrontend + "/" + key::kBackendId, "0");
  for (std::uint32_t queue = 0; queue < kQueues; ++queue)
    for (const std::string& directory :
         {kFrontend + "/", kFrontend + "/" + key::kQueuePrefix + std::to_string(queue) + "/"})
      for (const char* number : {key::kTxRingRef, key::kRxRingRef, key::kEventChannel})
        world.write(directory + number, "9");
  world.write(kFrontend + "/" + key::kRequestRxCopy, "1");
}

// Records of: where and which key, how long, the text.
void write_forged(test::FakeXen& world, const std::uint8_t* data, std::size_t size) {
  const std::string directories[] = {"/local/domain/0/" + backend_path(kVif), kFrontend,
                                     kFrontend + "/" + key::kQueuePrefix + "0",
                                     kFrontend + "/" + key::kQueuePrefix + "1"};
  for (std::size_t at = 0; at + 2 <= size;) {
    const std::string& directory = directories[data[at] / 64];
    const char* name = kKeys[data[at] % 64 % std::size(kKeys)];
    const std::size_t length = std::min<std::size_t>(data[at + 1], size - at - 2);
    world.write(directory + "/" + name, {reinterpret_cast<const char*>(data) + at + 2, length});
    at += 2 + length;
  }
}

void check_offer(const View& view, const FrontendOffer& offer) {
  require(!offer.queues.empty() && offer.queues.size() <= kQueues);
  for (const QueueAddress& queue : offer.queues)
    for (const EvtchnPort port : {queue.tx_port, queue.rx_port})
      require(port.value >= 1 && port.value < 1U << 17);
  require(offer.features.sg || (!offer.features.gso_tcpv4 && !offer.features.gso_tcpv6));
  const std::string other = "/local/domain/7/device/vif/1";
  require(static_cast<bool>(write_frontend_offer(view, other, offer)));
  const auto again = read_frontend_offer(view, other, kQueues);
  require(again && again->queues.size() == offer.queues.size() && again->features.sg == offer.features.sg &&
          again->features.ipv4_csum == offer.features.ipv4_csum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static boost::asio::io_context loop{1};
  static const auto client = Client::open(loop);
  auto& world = test::FakeXen::get();
  world.reset();
  write_honest(world);
  write_forged(world, data, size);
  const View view = (*client)->view();
  if (const auto settings = read_backend_settings(view, kVif); read_or_said(settings))
    require(!settings->mtu || (*settings->mtu >= 68 && *settings->mtu <= 65521));
  if (const auto offer = read_frontend_offer(view, kFrontend, kQueues); read_or_said(offer))
    check_offer(view, *offer);
  (void)read_or_said(read_frontend_settings(view, kFrontend));
  (void)read_or_said(read_backend_features(view, backend_path(kVif)));
  if (const auto queues = read_max_queues(view, backend_path(kVif)); read_or_said(queues) && *queues)
    require(**queues >= 1 && **queues <= kMaxQueues);
  if (const auto state = read_state(view, kFrontend); read_or_said(state))
    require(static_cast<unsigned>(*state) < kXenbusStates);
  const std::string path{reinterpret_cast<const char*>(data), size};
  if (const auto id = parse_backend_path(path)) require(path.find(backend_path(*id)) != std::string::npos);
  return 0;
}
