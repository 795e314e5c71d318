#include "dom0/vif/vif.hpp"

#include <net/if.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "common/net/link.hpp"
#include "common/relay/tap_port.hpp"
#include "common/step.hpp"
#include "dom0/port/measuring_ports.hpp"
#include "xenstore/keys.hpp"

namespace hush::dom0 {
namespace {

// The address of every kernel vif in Dom0: the bridge must not take it for its own, and guests that pin their
// gateway's neighbour entry rely on it.
constexpr char kBackendMac[] = "fe:ff:ff:ff:ff:ff";

}  // namespace

xenstore::Features offered_features() {
  xenstore::Features f;
  f.sg = f.gso_tcpv4 = f.gso_tcpv6 = f.ipv6_csum = true;
  f.split_event_channels = f.multicast_control = true;
  f.hush_area = area::kVersion;
  return f;
}

net::Offloads tap_offloads(const xenstore::Features& frontend) {
  // One flag serves both IP versions on a TAP: where the front end takes one of the two, frames of the other
  // are completed here. A segment's checksum is always blank, so segmentation goes with the version's own
  // flag.
  return {.checksum = frontend.ipv4_csum || frontend.ipv6_csum,
          .tso4 = frontend.gso_tcpv4 && frontend.ipv4_csum,
          .tso6 = frontend.gso_tcpv6 && frontend.ipv6_csum};
}

Worker& Host::least_loaded() {
  return *std::min_element(workers.begin(), workers.end(),
                           [](const Worker& a, const Worker& b) { return a.queues < b.queues; });
}

Vif::Vif(xenstore::VifId id, Host& host, std::function<void()> on_change)
    : id_(id), host_(host), on_change_(std::move(on_change)) {}

Vif::~Vif() {
  *alive_ = false;
  record_use();
  drop_queues();
  host_.running.forget(id_);
  host_.ledger.forget(id_);
  unwatch();
  if (tap_.is_open()) host_.taps.put(name(), std::move(tap_));
}

void Vif::unwatch() {
  for (const auto& path : watched_) host_.store.unwatch(path);
  watched_.clear();
}

std::string Vif::interface_name() const {
  std::array<char, IF_NAMESIZE> buffer{};
  if (!tap_.is_open() || !if_indextoname(tap_.index(), buffer.data())) return "-";
  return buffer.data();
}

void Vif::apply(xenstore::Resolved settings) {
  const xenstore::VifSettings before = std::exchange(settings_, std::move(settings)).values;
  if (before.rate != settings_.values.rate) begin_limit();
  if (before == settings_.values) return;
  for (Placed& placed : queues_) set_limits(placed);
  if (on_area_path())
    for (std::size_t i = 0; i < queues_.size(); ++i) host_.governor.set_rules({id_, i}, area_rules(i));
}

// A new rate begins with a full bucket.
void Vif::begin_limit() {
  const xenstore::Rate& rate = settings_.values.rate;
  limiter_ = rate.limited()
                 ? std::make_shared<RateLimiter>(rate.bytes, rate.interval,
                                                 std::chrono::steady_clock::now().time_since_epoch())
                 : nullptr;
  if (limiter_)
    spdlog::info("{}: limited to {} bytes each {} us, {} bytes at once", name(), rate.bytes,
                 rate.interval.count(), limiter_->bucket());
}

void Vif::set_limits(Placed& placed) {
  placed.worker->thread->call([&] {
    placed.queue->limit_by(limiter_);
    placed.queue->set_timeouts(timeouts());
    placed.queue->set_polling(polling());
  });
}

// A front end that does not say when it has posted buffers never counts as stalled, as with Linux's netback.
QueueTimeouts Vif::timeouts() const {
  const auto never = std::chrono::milliseconds(0);
  return {.rx = {.stall = frontend_features_.rx_notify ? settings_.values.rx_stall_timeout : never,
                 .drain = settings_.values.rx_drain_timeout},
          .area_stall = settings_.values.area_stall};
}

// As long as a queue is stalled the interface has no carrier, so that nothing is sent there in vain.
void Vif::on_stall(std::size_t queue, std::optional<Stall> stall) {
  const auto stalled = [this] {
    return std::any_of(queues_.begin(), queues_.end(), [](const Placed& p) { return p.stalled; });
  };
  const bool before = stalled();
  queues_[queue].stalled = stall.has_value();
  if (stall)
    spdlog::warn("{}: queue {} is stalled: {}; the carrier is down", name(), queue, stall->cause);
  else
    spdlog::info("{}: queue {} is not stalled any more", name(), queue);
  if (stalled() != before) (void)tap_.set_carrier(before);
}

void Vif::update() {
  auto settings = xenstore::read_backend_settings(host_.store.view(), id_);
  if (!settings) {
    if (settings.error().code == ENOENT) return;  // being removed, or not all written yet: an event will come
    if (fault_ != settings.error().text) spdlog::warn("{}: {}", name(), settings.error().text);
    fault_ = settings.error().text;
    return;
  }
  if (watched_.empty()) {
    if (auto begun = begin(*settings); !begun) {
      unwatch();  // so that the next look begins anew
      fault_ = begun.error().text;
      spdlog::error("{}: {}", name(), fault_);
      return;
    }
  }
  sample_multicast(settings->frontend);
  auto peer = xenstore::read_state(host_.store.view(), settings->frontend);
  if (!peer) {
    spdlog::warn("{}: {}", name(), peer.error().text);
    return;
  }
  // A front end that starts over has rings that nobody served.
  served_before_ = served_before_ && *peer == XenbusState::connected;
  // What could not be offered is not tried again at once, for ever: fail()'s own writes lead back here.
  offer_failed_ = offer_failed_ && *peer == XenbusState::initialising;
  if (offer_failed_) return;
  for (;;) {
    const Step next = step(state_, *peer, settings->hotplug_done);
    if (next == Step{Action::none, state_}) return;
    Result<void> done;
    switch (next.action) {
      case Action::none:
        break;
      case Action::advertise:
        done = advertise(*settings);
        break;
      case Action::connect:
        done = connect(*settings);
        break;
      case Action::disconnect:
        record_use();
        disconnect();
        break;
    }
    if (!done) {
      offer_failed_ = next.action == Action::advertise;
      return fail(done.error().text);
    }
    enter(next.next);
  }
}

Result<void> Vif::watch_front_end(const xenstore::BackendSettings& settings) {
  for (const std::string& path : {settings.frontend + "/" + xenstore::key::kState,
                                  xenstore::multicast_request_path(settings.frontend)}) {
    if (auto done = host_.store.watch(path, [this](const std::string&) { on_change_(); }); !done) return done;
    watched_.push_back(path);
  }
  return {};
}

// First sight of the vif: watch its front end, and take over what an earlier daemon left connected.
Result<void> Vif::begin(const xenstore::BackendSettings& settings) {
  if (auto done = watch_front_end(settings); !done)
    return error(done.error().text + " (too many? xenstore-control quota watches N raises a domain's number)",
                 done.error().code);
  auto self = xenstore::read_state(host_.store.view(), xenstore::backend_path(id_));
  auto peer = xenstore::read_state(host_.store.view(), settings.frontend);
  if (!self) return self.error();
  if (!peer) return peer.error();
  has_begun_ = *self != XenbusState::unknown && *self != XenbusState::initialising;
  if (serving(*self) && (*peer == XenbusState::connected || *peer == XenbusState::reconfiguring)) {
    auto areas = xenstore::read_own_area_answer(host_.store.view(), id_);
    if (!areas) return areas.error();
    spdlog::info("{}: taking over a connected vif", name());
    taken_over_ = true;
    HUSH_STEP("takeover-begun");
    offered_ = xenstore::allowed(offered_features(), settings_.values);
    Result<void> done = make_tap(settings, true);
    HUSH_STEP("takeover-tap");
    served_before_ = true;
    if (areas->generation != 0) {
      session_before_ = areas->session;
      workload_ = settings_.values.workload;  // it went on with the daemon before; what it uses is learned
    }
    if (done) done = connect(settings);
    HUSH_STEP("takeover-connected");
    const bool by_areas = std::exchange(session_before_, std::nullopt).has_value();
    if (done) {
      state_ = *self;
      remember_nodes();
    } else if (by_areas)
      ask_to_reconnect(done.error().text);
    else {
      (void)tap_.set_carrier(false);
      fail(done.error().text);
    }
    return {};
  }
  if (*self == XenbusState::closing) {  // perhaps cut off by an earlier daemon
    auto reason = host_.store.view().read(error_node());
    if (reason) fault_ = reason->value_or("");
  }
  // Killed while it connected: its queues may have served before state 4 said so.
  served_before_ = *self == XenbusState::init_wait && *peer == XenbusState::connected;
  state_ = *self == XenbusState::closing || *self == XenbusState::closed ? *self : XenbusState::initialising;
  return {};
}

// Where its areas stand is not known, and what the page says its guest can write: the front end starts over.
void Vif::ask_to_reconnect(const std::string& why) {
  spdlog::warn(
      "{}: connected by areas of an earlier daemon, which cannot be taken over; it is asked to reconnect: {}",
      name(), why);
  drop_queues();
  forget_inflight();
  (void)set_carrier(false);
  (void)set_tap_queues(1);
  state_ = XenbusState::connected;
  enter(XenbusState::closing);
}

// carrier: of one that is taken over. What waits in its rings is sent at once, and a bridge drops what comes
// from a port that had no carrier a moment ago.
Result<void> Vif::make_tap(const xenstore::BackendSettings& settings, bool carrier) {
  if (tap_.is_open()) return {};
  if (auto kept = host_.taps.take(name())) {
    // It is where the script has put it, or where it is at work on it just now.
    if (settings.hotplug_done || has_begun_) {
      tap_ = std::move(*kept);
      return tap_.set_carrier(carrier);
    }
    host_.taps.drop(name(), std::move(*kept));  // of an earlier vif of this name
  }
  auto tap = net::Tap::create(name());
  if (!tap) return tap.error();
  tap_ = std::move(*tap);
  HUSH_STEP("tap-made");
  host_.taps.keep(name(), tap_);
  HUSH_STEP("tap-kept");
  if (auto done = tap_.set_carrier(carrier); !done) return done;
  if (settings.hotplug_done) {
    plug(settings);
    return {};
  }
  // A script may know better; it runs after this.
  return settings.mtu ? net::change_link(tap_.index(), {.mtu = settings.mtu}) : Result<void>();
}

// The toolstack's script has run for an interface that is gone with an earlier daemon, and will not run
// again. What vif-bridge does to the interface is done here, and of other scripts (vif-route,
// vif-openvswitch) what is the link's alone: name and address. None of it is worth a connected guest.
void Vif::plug(const xenstore::BackendSettings& settings) {
  const auto change = [this](const net::LinkChange& wanted) {
    if (auto done = net::change_link(tap_.index(), wanted); !done)
      spdlog::warn("{}: set up as before, but: {}", name(), done.error().text);
  };
  if (settings.vifname && *settings.vifname != name()) change({.name = settings.vifname});
  change({.up = true, .mtu = settings.mtu, .mac = kBackendMac});
  const std::string script = settings.script.value_or("vif-bridge");
  if (script.substr(script.rfind('/') + 1) != "vif-bridge" || !settings.bridge) return;
  change({.master = settings.bridge});
  if (const auto mtu = net::mtu_of(*settings.bridge); mtu && !settings.mtu) change({.mtu = *mtu});
}

Result<void> Vif::set_tap_queues(std::size_t count) {
  auto done = tap_.set_queues(count);
  host_.taps.keep(name(), tap_);
  return done;
}

Result<void> Vif::advertise(const xenstore::BackendSettings& settings) {
  HUSH_STEP("connect-offering");
  if (!served_before_) forget_inflight();
  forget_fault();
  fault_.clear();
  taken_over_ = false;
  // The hotplug script runs the moment state 2 is seen, and needs the interface then.
  if (auto done = make_tap(settings, false); !done) return done;
  offered_ = xenstore::allowed(offered_features(), settings_.values);
  choose_first_size();
  // A wire joins one queue to one other.
  const bool wire = settings_.values.port == xenstore::PortKind::wire;
  offered_queues_ =
      queues_to_offer(wire ? 1 : first_size_.queues, host_.ledger.others(id_), settings_.values.grant_budget);
  host_.ledger.count(id_, offered_queues_);
  if (first_size_.guest_tx == 0) offered_.hush_area = 0;
  const auto advice = first_size_.guest_tx == 0
                          ? std::nullopt
                          : std::optional(area::Sizes{first_size_.guest_tx, first_size_.guest_rx});
  return host_.store.transact([&](xenstore::View& view) {
    return xenstore::write_backend_offer(view, id_, offered_, offered_queues_, settings_.values.area_stall,
                                         advice);
  });
}

void Vif::choose_first_size() {
  workload_ = settings_.values.workload;
  const bool known = host_.profiles && !workload_.empty();
  const std::vector<RingUse> running = host_.running.of(workload_);
  const auto set = [](const xenstore::RingSize& ring) {
    return ring.kib == 0 ? std::nullopt : std::optional(ring.bytes());
  };
  const SizeSources sources{set(settings_.values.area_tx), set(settings_.values.area_rx), workload_,
                            known ? host_.profiles->find(workload_) : std::nullopt, running};
  first_size_ = dom0::first_size(sources,
                                 {.least_ring = area::kMinRing,
                                  .most_ring = area::kMaxRing,
                                  .most_pages = max_area_pages(),
                                  .max_queues = settings_.values.max_queues},
                                 wall_time());
  if (first_size_.guest_tx == 0) return;
  const area::Sizes wanted{first_size_.guest_tx, first_size_.guest_rx};
  const auto room = host_.governor.first(wanted, {std::min(wanted.guest_tx, area::kMinRingOfOffloads),
                                                  std::min(wanted.guest_rx, area::kMinRingOfOffloads)});
  if (room == wanted) return;
  if (!room)
    spdlog::warn(
        "{}: no area is offered: there is no room in what the areas of this host may take "
        "(hushring/area-budget)",
        name());
  first_size_.source +=
      room ? ", less for want of room (area-budget)" : ", but there is no room (area-budget)";
  first_size_.guest_tx = room ? room->guest_tx : 0;
  first_size_.guest_rx = room ? room->guest_rx : 0;
}

// So far the rings that are there; what an adaptation finds really used will be a better number.
std::optional<RingUse> Vif::used() const {
  if (!on_area_path()) return std::nullopt;
  RingUse use{0, 0, static_cast<std::uint32_t>(queues_.size())};
  for (const Placed& placed : queues_) {
    const area::Sizes sizes = area::sizes_of(placed.areas->header());
    use.guest_tx = std::max(use.guest_tx, sizes.guest_tx);
    use.guest_rx = std::max(use.guest_rx, sizes.guest_rx);
  }
  return use;
}

void Vif::record_use() {
  if (workload_.empty()) return;
  const auto use = used();
  if (!use) return;
  host_.running.note(id_, workload_, *use);
  if (host_.profiles) host_.profiles->record({workload_, name(), wall_time(), *use});
}

Result<void> Vif::connect(const xenstore::BackendSettings& settings) {
  auto frontend = xenstore::read_frontend_offer(host_.store.view(), settings.frontend, offered_queues_);
  if (!frontend) return frontend.error();
  const xenstore::Features f = xenstore::allowed(frontend->features, settings_.values);
  if (auto done = tap_.set_offloads(tap_offloads(f)); !done) return done;
  if (auto done = set_tap_queues(frontend->queues.size()); !done) return done;
  HUSH_STEP("connect-begun");
  ++connects_;
  addresses_ = frontend->queues;
  frontend_ = settings.frontend;
  frontend_features_ = std::exchange(frontend->features, f);
  features_in_use_ = f;
  host_.ledger.count(id_, static_cast<std::uint32_t>(frontend->queues.size()));
  multicast_.clear();
  sample_multicast(settings.frontend);
  area_answer_ = add_areas(*frontend);
  if (session_before_ && !on_area_path()) return error(area_answer_.refused);
  if (!on_area_path())
    if (auto done = add_queues(*frontend); !done) return done;
  HUSH_STEP("connect-queues");
  served_before_ = false;
  record_use();
  auto done = set_carrier(true);
  HUSH_STEP("connect-carrier");
  return done;
}

Result<std::unique_ptr<relay::Port>> Vif::make_port(std::size_t number, std::size_t queues) {
  if (settings_.values.port == xenstore::PortKind::wire) {
    if (queues != 1) return error("a wire has one queue: set max-queues to 1");
    return host_.wires.join(settings_.values.wire, counters_[number].area);
  }
  if (auto measuring = make_measuring_port(settings_.values.port, settings_.values.port_frame,
                                           settings_.values.port_batch))
    return measuring;
  return std::unique_ptr<relay::Port>(std::make_unique<relay::TapPort>(tap_.fd(number)));
}

void Vif::place(Worker& worker, std::unique_ptr<Queue> queue) {
  queues_.push_back({&worker, std::move(queue), {}});
  if (capture_) worker.thread->call([&] { queues_.back().queue->capture_to(capture_); });
  counters_used_ = std::max(counters_used_, queues_.size());
  ++worker.queues;
}

std::function<void(std::function<void()> act)> Vif::on_control() {
  return [&loop = host_.loop, alive = std::weak_ptr(alive_)](std::function<void()> act) {
    boost::asio::post(loop, [alive, act = std::move(act)] {
      if (!alive.expired()) act();
    });
  };
}

// A fault of an earlier connection is no news, nor is a stall.
std::function<void(std::string reason)> Vif::on_fault() {
  return [this, connection = connects_, post = on_control()](std::string reason) {
    post([this, connection, reason = std::move(reason)] {
      if (connection == connects_ && serving(state_)) fail(reason);
    });
  };
}

Queue::Reports Vif::reports_of(std::size_t queue) {
  return {on_fault(), [this, queue, connection = connects_, post = on_control()](std::optional<Stall> stall) {
            post([this, queue, connection, stall] {
              if (connection == connects_ && queue < queues_.size()) on_stall(queue, stall);
            });
          }};
}

std::vector<Vif::PlacedLook> Vif::look() const {
  std::vector<PlacedLook> looks;
  for (const Placed& placed : queues_)
    looks.push_back(
        {placed.worker->thread->name(), placed.worker->thread->call([&] { return placed.queue->look(); })});
  return looks;
}

void Vif::disconnect() {
  const bool was_connected = connected();
  drop_queues();
  HUSH_STEP("disconnect-dropped");
  forget_inflight();
  HUSH_STEP("disconnect-forgotten");
  served_before_ = false;
  host_.running.forget(id_);
  if (!was_connected) return;
  (void)set_carrier(false);
  (void)set_tap_queues(1);
}

// Before the front end may take its rings back, every mapping of them is gone.
void Vif::drop_queues() {
  if (ctrl_ring_) control_worker_->thread->call([&] { ctrl_ring_.reset(); });
  for (std::size_t i = 0; i < queues_.size(); ++i) host_.governor.leave({id_, i});
  for (Placed& placed : queues_) {
    if (placed.areas) placed.worker->thread->call([&] { static_cast<AreaQueue&>(*placed.queue).stop(); });
    placed.areas.reset();
    placed.worker->thread->call([&] { placed.queue.reset(); });
    --placed.worker->queues;
  }
  queues_.clear();
  steering_.reset();
  control_worker_ = nullptr;
}

// Of the TAP, and as the guest is told. A daemon that stops says nothing: the next one takes over.
Result<void> Vif::set_carrier(bool up) {
  if (auto done = tap_.set_carrier(up); !done) return done;
  return xenstore::switch_carrier(host_.store, id_, up);
}

void Vif::sample_multicast(const std::string& frontend) {
  if (auto wanted = xenstore::read_multicast_request(host_.store.view(), frontend)) {
    // The groups that it listed went to an earlier daemon. It lists them again when it asks anew.
    taken_over_ = taken_over_ && *wanted;
    multicast_.apply(*wanted && offered_.multicast_control && !taken_over_);
  } else
    spdlog::warn("{}: {}", name(), wanted.error().text);
}

void Vif::enter(XenbusState next) {
  if (next == state_) return;
  spdlog::info("{}: {} -> {}", name(), xenstore::name(state_), xenstore::name(next));
  state_ = next;
  // The answer to the areas goes with the state: a front end may send at once.
  auto done = next == XenbusState::connected
                  ? xenstore::switch_connected(host_.store, id_, area_answer_)
                  : xenstore::switch_state(host_.store, xenstore::backend_path(id_), next);
  if (!done) spdlog::error("{}: {}", name(), done.error().text);
  HUSH_STEP("state-written");
  if (next == XenbusState::connected) remember_nodes();
}

void Vif::fail(const std::string& reason) {
  spdlog::error("{}: cut off: {}", name(), reason);
  disconnect();
  fault_ = reason;
  // Where xenbus_dev_fatal of Linux says it too.
  (void)host_.store.view().write(error_node(), reason);
  enter(XenbusState::closing);
}

// After the guest is served: some hundred questions to the store.
void Vif::remember_nodes() {
  on_control()([this, connection = connects_] {
    if (connection != connects_ || !connected()) return;
    nodes_.clear();
    for (const std::string& path : {xenstore::backend_path(id_), frontend_}) {
      auto taken = xenstore::take_snapshot(host_.store.view(), path);
      if (!taken) return;  // the store is gone just now
      nodes_.push_back(std::move(*taken));
    }
  });
}

Result<void> Vif::write_again() {
  if (!connected() || nodes_.empty()) return {};
  return host_.store.transact([this](xenstore::View& view) -> Result<void> {
    for (const auto& directory : nodes_)
      if (auto done = xenstore::restore(view, directory); !done) return done;
    return {};
  });
}

std::string Vif::error_node() const {
  return std::string(xenstore::key::kError) + "/" + xenstore::backend_path(id_) + "/" + xenstore::key::kError;
}

void Vif::forget() {
  record_use();
  drop_queues();
  forget_inflight();
  host_.taps.drop(name(), std::move(tap_));
  forget_fault();
}

void Vif::forget_fault() {
  if (fault_.empty()) return;
  (void)host_.store.view().remove(std::string(xenstore::key::kError) + "/" + xenstore::backend_path(id_));
}

Result<void> Vif::start_capture(const std::string& path) {
  if (!connected()) return error(name() + " is not connected", ENOTCONN);
  auto capture = net::Capture::create(path);
  if (!capture) return capture.error();
  capture_to(std::move(*capture));
  return {};
}

void Vif::stop_capture() {
  capture_to(nullptr);
}

void Vif::capture_to(std::shared_ptr<net::Capture> capture) {
  capture_ = capture;
  for (Placed& placed : queues_) placed.worker->thread->call([&] { placed.queue->capture_to(capture); });
}

}  // namespace hush::dom0
