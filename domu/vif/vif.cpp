#include "domu/vif/vif.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "domu/preflight.hpp"
#include "domu/vif/agreement.hpp"
#include "xenstore/keys.hpp"

namespace hush::domu {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
constexpr auto kFirstDelay = 1s;
constexpr auto kLongestDelay = 60s;
// A connection that lived this long was a good one: the next start-over does not wait.
constexpr auto kGoodConnection = 10s;
// The table settles within five steps from any state (frontend_fsm.hpp); nodes may change meanwhile.
constexpr int kMaxSteps = 16;

}  // namespace

Result<std::unique_ptr<Vif>> Vif::create(const Options& options, Guest& guest) {
  if (auto clear = check_no_kernel_netfront(options.device); !clear) return clear.error();
  std::unique_ptr<Vif> vif{new Vif(options, guest)};
  if (auto made = vif->make_tap(); !made) return made.error();
  // Everything below the device: the toolstack makes and removes it as a whole. The first event comes at
  // once.
  auto watched = guest.store.watch(vif->directory_, [v = vif.get()](const std::string&) { v->schedule(); });
  if (!watched) return watched.error();
  return vif;
}

Vif::Vif(const Options& options, Guest& guest)
    : options_(options),
      guest_(guest),
      name_(options.tap + " (" + xenstore::frontend_path(options.device) + ")"),
      directory_(xenstore::frontend_path(options.device)),
      retry_(guest.loop) {}

Vif::~Vif() {
  *alive_ = false;
  guest_.store.unwatch(directory_);
  follow_backend("");
}

// Nodes change in groups, and a hostile peer can write its own a million times: one look for all of them.
void Vif::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  boost::asio::post(guest_.loop, [this, alive = alive_] {
    if (!*alive) return;
    scheduled_ = false;
    update();
  });
}

void Vif::update() {
  apply_settings();
  for (int i = 0; i < kMaxSteps; ++i) {
    auto seen = look();
    if (!seen) {
      spdlog::warn("{}: {}", name_, seen.error().text);
      return;
    }
    sight_ = *seen;
    const Self self = self_state(sight_.node, queue_ != nullptr, barred_);
    Step next = step(self, sight_.peer, sight_.online);
    if (leaving_ && self == Self::connected) next = {Action::none, XenbusState::closing};
    if (leaving_ && (self == Self::initialising || self == Self::absent || self == Self::barred)) break;
    if (next.settled() && next.action == Action::none) {
      say_waiting(self);
      return;
    }
    const bool starts = next.action == Action::connect || next.write == XenbusState::initialising;
    if (starts && delayed_) return;  // the timer comes back to it
    if (next.write == XenbusState::initialising && !may_start_over()) return;
    if (!perform(next) || next.settled()) return;
  }
  if (gone() && on_gone_) boost::asio::post(guest_.loop, std::exchange(on_gone_, {}));
}

// What holds for this end now. Each bad value is said once; a store that cannot be read changes nothing.
void Vif::apply_settings() {
  auto in_store = xenstore::read_guest_settings(guest_.store.view(), directory_);
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

Result<Vif::Sight> Vif::look() {
  Sight seen;
  const auto view = guest_.store.view();
  auto node = xenstore::read_state(view, directory_);
  if (!node) return node.error();
  seen.node = *node;
  // No device, or one that the toolstack has made anew: what went before is over.
  const bool fresh = seen.node == XenbusState::unknown || seen.node == XenbusState::initialising;
  if (fresh && barred_ && !leaving_) forgive();
  if (seen.node == XenbusState::unknown) {
    delay_ = 0ms;
    follow_backend("");
    return seen;
  }
  auto settings = xenstore::read_frontend_settings(view, directory_);
  if (!settings) return settings.error();
  seen.settings = std::move(*settings);
  follow_backend(seen.settings.backend);
  auto peer = xenstore::read_state(view, seen.settings.backend);
  auto online = xenstore::read_online(view, seen.settings.backend);
  // Where a node was that is gone with the directories above it, xenstored says "permission denied".
  if (!peer && peer.error().code == EACCES) return seen;
  if (!peer) return peer.error();
  seen.peer = *peer;
  seen.online = online && *online;
  return seen;
}

void Vif::follow_backend(const std::string& path) {
  const std::string state = path.empty() ? "" : path + "/" + xenstore::key::kState;
  if (state == watched_) return;
  if (!watched_.empty()) guest_.store.unwatch(watched_);
  watched_ = state;
  if (state.empty()) return;
  if (auto done = guest_.store.watch(state, [this](const std::string&) { schedule(); }); !done)
    spdlog::warn("{}: {}", name_, done.error().text);
}

bool Vif::perform(const Step& next) {
  switch (next.action) {
    case Action::none:
      break;
    case Action::serve:
      serve();
      break;
    case Action::disconnect:
      disconnect();
      break;
    case Action::connect:
      if (auto done = connect(); !done) {
        spdlog::error("{}: cannot connect: {}", name_, done.error().text);
        disconnect();
        retry_later();
        return false;
      }
      return true;  // the state went out with the keys
  }
  return next.write == XenbusState::unknown || write_state(next.write);
}

Result<void> Vif::connect() {
  // The module may have been loaded after the start.
  if (auto clear = check_no_kernel_netfront(options_.device); !clear) return clear;
  if (!tap_.is_open())
    if (auto made = make_tap(); !made) return made;
  auto backend = xenstore::read_backend_features(guest_.store.view(), sight_.settings.backend);
  if (!backend) return backend.error();
  const bool small_area =
      backend->hush_area != 0 && options_.area_ring != 0 && options_.area_ring < area::kMinRingOfOffloads;
  if (auto done = shape_tap(*backend, small_area ? net::Offloads{} : tap_offloads(*backend)); !done)
    return done;

  const Queue::Setup setup{sight_.settings.backend_id, tap_.fd(), backend->sg, backend->split_event_channels,
                           backend->hush_area >= area::kVersion ? options_.area_ring : 0};
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
    spdlog::warn("{}: no area, it will go by the netif path: {}", name_, queue_->area_trouble());
  xenstore::FrontendOffer offer{{queue_->address()}, offered_features()};
  if (queue_->offers_area()) offer.area_version = area::kVersion;
  ++connects_;
  if (auto told = xenstore::publish_frontend_offer(guest_.store, directory_, offer); !told) return told;
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

Result<void> Vif::shape_tap(const xenstore::Features& backend, net::Offloads offloads) {
  if (auto done = tap_.set_offloads(offloads); !done) return done;
  net::LinkChange change{.up = {}, .mtu = tap_mtu(backend, sight_.settings.mtu), .mac = {}, .master = {}};
  if (!sight_.settings.mac.empty()) change.mac = sight_.settings.mac;
  // What the guest has changed since stays as it is over a reconnect.
  if (change == shape_) return {};
  if (auto done = net::change_link(tap_.index(), change); !done) return done;
  shape_ = change;
  return {};
}

void Vif::serve() {
  if (serving_) return;
  serving_ = true;
  served_since_ = Clock::now();
  said_.clear();
  if (auto done = tap_.set_carrier(true); !done) spdlog::warn("{}: {}", name_, done.error().text);
  on_area_ = area_is_acknowledged();
  if (on_area_) {
    queue_->start_area(xenstore::read_area_stall(guest_.store.view(), sight_.settings.backend));
  } else if (auto started = queue_->start_netif(); !started) {
    spdlog::error("{}: cannot serve: {}", name_, started.error().text);
    disconnect();
    (void)write_state(XenbusState::closing);
    return retry_later();
  }
  spdlog::info("{}: serving, the back end in domain {} is connected, path {}", name_,
               sight_.settings.backend_id.value, on_area_ ? "area" : "netif");
}

// What the back end says to the area that it was offered, in the transaction of its state.
bool Vif::area_is_acknowledged() {
  if (!queue_->offers_area()) return false;
  const auto answer = xenstore::read_area_answer(guest_.store.view(), sight_.settings.backend);
  const bool means_ours = answer && answer->generation == xenstore::kFirstGeneration;
  if (means_ours && answer->refused.empty()) return true;
  spdlog::warn("{}: the back end does not take the area: {}", name_,
               !answer      ? answer.error().text
               : means_ours ? answer->refused
                            : "it gives no answer");
  return false;
}

void Vif::on_stall(std::optional<relay::Standstill> standstill) {
  if (standstill)
    spdlog::warn("{}: the back end is stalled: {}; what is for it is dropped", name_, standstill->cause);
  else
    spdlog::info("{}: the back end is not stalled any more", name_);
}

void Vif::disconnect() {
  if (serving_) {
    (void)tap_.set_carrier(false);
    if (Clock::now() - served_since_ > kGoodConnection) delay_ = 0ms;
  }
  serving_ = false;
  queue_.reset();
}

bool Vif::write_state(XenbusState state) {
  spdlog::info("{}: {} -> {} (back end: {})", name_, xenstore::name(sight_.node), xenstore::name(state),
               xenstore::name(sight_.peer));
  if (auto done = xenstore::switch_state(guest_.store, directory_, state); !done) {
    spdlog::error("{}: {}", name_, done.error().text);
    return false;
  }
  return true;
}

void Vif::cut_off(Fault fault, const std::string& why) {
  if (!queue_) return;
  disconnect();
  if (fault == Fault::tap_lost) {
    spdlog::warn("{}: somebody deleted the interface; it is made again", name_);
    tap_.close();
  } else {
    spdlog::error("{}: cut off: {}", name_, why);
    fault_ = fault;
    barred_ = true;
    (void)guest_.store.view().write(error_node(), "cut off: " + why);
  }
  if (write_state(XenbusState::closing)) update();
}

void Vif::forgive() {
  barred_ = false;
  if (std::exchange(fault_, Fault::none) != Fault::none) (void)guest_.store.view().remove(error_node());
}

// Where xenbus_dev_fatal of Linux says why it gave a device up.
std::string Vif::error_node() const {
  return std::string(xenstore::key::kError) + "/" + directory_ + "/" + xenstore::key::kError;
}

// A first start-over goes at once; one after that waits, longer each time, until a connection was good.
bool Vif::may_start_over() {
  if (retry_due_ || delay_ == 0ms) {
    retry_due_ = false;
    delay_ = std::max<std::chrono::milliseconds>(delay_, kFirstDelay);
    return true;
  }
  retry_later();
  return false;
}

void Vif::retry_later() {
  delay_ = std::max<std::chrono::milliseconds>(delay_, kFirstDelay);
  spdlog::info("{}: trying again in {} s", name_,
               std::chrono::duration_cast<std::chrono::seconds>(delay_).count());
  delayed_ = true;
  retry_.expires_after(delay_);
  delay_ = std::min<std::chrono::milliseconds>(delay_ * 2, kLongestDelay);
  retry_.async_wait([this, alive = alive_](const boost::system::error_code& failed) {
    if (failed || !*alive) return;
    delayed_ = false;
    retry_due_ = true;
    update();
    retry_due_ = false;
  });
}

void Vif::leave(std::function<void()> on_gone) {
  leaving_ = barred_ = true;
  on_gone_ = std::move(on_gone);
  update();
}

// Once for each thing that is waited for.
void Vif::say_waiting(Self self) {
  const std::string what = self == Self::absent ? "the device: " + directory_ + " does not exist yet"
                                                : "the back end " + sight_.settings.backend + ", in state " +
                                                      std::string(xenstore::name(sight_.peer));
  if (what == said_) return;
  said_ = what;
  // The back end's answer to a farewell is nothing to wait for at length.
  const bool idle = self == Self::absent || self == Self::initialising || self == Self::connected;
  spdlog::log(idle ? spdlog::level::info : spdlog::level::debug, "{}: waiting for {}", name_, what);
}

}  // namespace hush::domu
