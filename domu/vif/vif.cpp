#include "domu/vif/vif.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <boost/asio/post.hpp>
#include <utility>

#include "domu/vif/agreement.hpp"

namespace hush::domu {
namespace {

spdlog::level::level_enum level_of(Handshake::Weight weight) {
  switch (weight) {
    case Handshake::Weight::debug:
      return spdlog::level::debug;
    case Handshake::Weight::info:
      return spdlog::level::info;
    case Handshake::Weight::warning:
      return spdlog::level::warn;
    case Handshake::Weight::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

Result<std::unique_ptr<Vif>> Vif::create(const Options& options, Guest& guest) {
  std::unique_ptr<Vif> vif{new Vif(options, guest)};
  auto handshake = Handshake::begin(options.device, guest.loop, guest.store, *vif);
  if (!handshake) return handshake.error();
  vif->handshake_ = std::move(*handshake);
  if (auto made = vif->make_tap(); !made) return made.error();
  return vif;
}

Vif::Vif(const Options& options, Guest& guest)
    : options_(options),
      guest_(guest),
      name_(options.tap + " (" + xenstore::frontend_path(options.device) + ")") {}

Vif::~Vif() {
  *alive_ = false;
}

void Vif::say(Handshake::Weight weight, const std::string& text) {
  spdlog::log(level_of(weight), "{}: {}", name_, text);
}

// What holds for this end now. Each bad value is said once; a store that cannot be read changes nothing.
void Vif::changed() {
  auto in_store = xenstore::read_guest_settings(guest_.store.view(), handshake_->directory());
  if (!in_store) return;
  std::vector<xenstore::Said> said = options_.settings;
  said.insert(said.end(), in_store->begin(), in_store->end());
  const auto resolved = xenstore::resolve_of_guest(said);
  const auto before = std::exchange(complaints_, {});
  for (const auto& complaint : resolved.complaints) {
    complaints_.push_back(complaint.line);
    if (std::find(before.begin(), before.end(), complaint.line) == before.end())
      spdlog::warn("{}: {}", name_, complaint.line);
  }
  polling_ = xenstore::polling(resolved.values, guest_.wake_cost);
  if (queue_) queue_->set_polling(polling_);
}

Result<void> Vif::connect(const xenstore::FrontendSettings& settings) {
  if (!tap_.is_open())
    if (auto made = make_tap(); !made) return made;
  auto backend = xenstore::read_backend_features(guest_.store.view(), settings.backend);
  if (!backend) return backend.error();
  const bool takes_area = options_.area && backend->hush_area >= area::kVersion;
  const area::Sizes sizes = takes_area ? first_sizes(settings.backend) : area::Sizes{};
  const bool small_area = takes_area && std::min(sizes.guest_tx, sizes.guest_rx) < area::kMinRingOfOffloads;
  if (auto done = shape_tap(settings, *backend, small_area ? net::Offloads{} : tap_offloads(*backend)); !done)
    return done;

  const Queue::Setup setup{settings.backend_id,           tap_.fd(), backend->sg,
                           backend->split_event_channels, sizes,     options_.area_ring == 0};
  // What a data thread reports of this connection, on the control thread.
  const auto post = [this, connection = connects_ + 1, alive = alive_](auto act) {
    boost::asio::post(guest_.loop, [this, connection, alive, act] {
      if (*alive && connection == connects_) act();
    });
  };
  auto queue = Queue::create(
      *guest_.thread, guest_.shares, setup, counters_,
      [this, post](Fault fault, std::string why) { post([this, fault, why] { cut_off(fault, why); }); },
      [this, post](std::optional<relay::Standstill> stall) { post([this, stall] { on_stall(stall); }); });
  if (!queue) return queue.error();
  queue_ = std::move(*queue);
  queue_->set_polling(polling_);
  if (!queue_->area_trouble().empty())
    spdlog::warn(
        "{}: {}: {}", name_,
        queue_->offers_area() ? "a smaller area than was advised" : "no area, it will go by the netif path",
        queue_->area_trouble());
  xenstore::FrontendOffer offer{{queue_->address()}, offered_features()};
  if (queue_->offers_area()) offer.area_version = area::kVersion;
  ++connects_;
  if (auto told = xenstore::publish_frontend_offer(guest_.store, handshake_->directory(), offer); !told)
    return told;
  spdlog::info("{}: Initialising -> Connected: {}, {}{}", name_,
               backend->sg ? "scatter-gather" : "one slot a frame",
               backend->split_event_channels ? "an event channel for each direction" : "one event channel",
               queue_->offers_area() ? ", an area" : "");
  return {};
}

Result<void> Vif::make_tap() {
  auto tap = net::Tap::create(options_.tap);
  if (!tap) return tap.error();
  tap_ = std::move(*tap);
  shape_.reset();
  if (auto done = tap_.set_carrier(false); !done) return done;
  // Now, not when the vif connects: routes and services may be set up before.
  if (!options_.up) return {};
  return net::change_link(tap_.index(), {.up = true, .mtu = {}, .mac = {}, .master = {}});
}

Result<void> Vif::shape_tap(const xenstore::FrontendSettings& settings, const xenstore::Features& backend,
                            net::Offloads offloads) {
  if (auto done = tap_.set_offloads(offloads); !done) return done;
  net::LinkChange change{.up = {}, .mtu = tap_mtu(backend, settings.mtu), .mac = {}, .master = {}};
  if (!settings.mac.empty()) change.mac = settings.mac;
  // What the guest has changed since stays as it is over a reconnect.
  if (change == shape_) return {};
  if (auto done = net::change_link(tap_.index(), change); !done) return done;
  shape_ = change;
  return {};
}

Result<void> Vif::serve(const xenstore::FrontendSettings& settings) {
  if (auto done = tap_.set_carrier(true); !done) spdlog::warn("{}: {}", name_, done.error().text);
  on_area_ = area_is_acknowledged(settings.backend);
  if (on_area_) {
    if (auto started = start_area(settings.backend); !started) return started;
  } else if (auto started = queue_->start_netif(); !started) {
    return started;
  }
  spdlog::info("{}: serving, the back end in domain {} is connected, path {}", name_,
               settings.backend_id.value, on_area_ ? "area" : "netif");
  return {};
}

// Of the first area: as this end's option says, or else as the back end advises. Offloads need a good deal.
area::Sizes Vif::first_sizes(const std::string& backend) const {
  if (options_.area_ring != 0) return {options_.area_ring, options_.area_ring};
  const auto advised = xenstore::read_area_first(guest_.store.view(), backend);
  const auto ring = [](std::uint32_t wanted) {
    return std::bit_ceil(std::clamp(wanted, area::kMinRingOfOffloads, area::kMaxRing));
  };
  return {ring(advised ? advised->guest_tx : 0), ring(advised ? advised->guest_rx : 0)};
}

Result<void> Vif::start_area(const std::string& backend) {
  const auto moved = [this, connection = connects_, alive = alive_] {
    boost::asio::post(guest_.loop, [this, connection, alive] {
      if (*alive && connection == connects_ && queue_) queue_->moved();
    });
  };
  return queue_->start_area({.loop = guest_.loop,
                             .store = guest_.store,
                             .device = handshake_->directory(),
                             .backend = backend,
                             .number = 0,
                             .queues = 1,
                             .say = [this](const std::string& text) { spdlog::info("{}: {}", name_, text); }},
                            xenstore::read_area_stall(guest_.store.view(), backend), moved);
}

// What the back end says to the area that it was offered, in the transaction of its state.
bool Vif::area_is_acknowledged(const std::string& backend) {
  if (!queue_->offers_area()) return false;
  const std::string refused = xenstore::read_area_refusal(guest_.store.view(), backend);
  if (refused.empty()) return true;
  spdlog::warn("{}: the back end does not take the area: {}", name_, refused);
  return false;
}

void Vif::on_stall(std::optional<relay::Standstill> standstill) {
  if (standstill)
    spdlog::warn("{}: the back end is stalled: {}; what is for it is dropped", name_, standstill->cause);
  else
    spdlog::info("{}: the back end is not stalled any more", name_);
}

void Vif::disconnect() {
  if (queue_ && tap_.is_open()) (void)tap_.set_carrier(false);
  queue_.reset();
}

void Vif::cut_off(Fault fault, const std::string& why) {
  if (!queue_) return;
  if (fault == Fault::tap_lost) {
    spdlog::warn("{}: somebody deleted the interface; it is made again", name_);
    queue_.reset();
    tap_.close();
    return handshake_->start_over();
  }
  spdlog::error("{}: cut off: {}", name_, why);
  fault_ = fault;
  handshake_->cut_off(why);
}

}  // namespace hush::domu
