#include "dom0/vif/vif.hpp"

#include <net/if.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "common/net/link.hpp"
#include "xenstore/keys.hpp"

namespace hush::dom0 {
namespace {

// The address of every kernel vif in Dom0: the bridge must not take it for its own, and guests that pin their
// gateway's neighbour entry rely on it.
constexpr char kBackendMac[] = "fe:ff:ff:ff:ff:ff";

}  // namespace

xenstore::Features offered_features() {
  xenstore::Features f;
  f.sg = f.gso_tcpv4 = f.gso_tcpv6 = f.ipv6_csum = f.split_event_channels = true;
  return f;
}

Worker& Host::least_loaded() {
  return *std::min_element(workers.begin(), workers.end(),
                           [](const Worker& a, const Worker& b) { return a.queues < b.queues; });
}

Vif::Vif(xenstore::VifId id, Host& host) : id_(id), host_(host) {}

Vif::~Vif() {
  *alive_ = false;
  disconnect();
  if (!watched_.empty()) host_.store.unwatch(watched_);
}

std::string Vif::interface_name() const {
  std::array<char, IF_NAMESIZE> buffer{};
  if (!tap_.is_open() || !if_indextoname(tap_.index(), buffer.data())) return "-";
  return buffer.data();
}

void Vif::update() {
  auto settings = xenstore::read_backend_settings(host_.store.view(), id_);
  if (!settings) {
    if (settings.error().code == ENOENT) return;  // being removed, or not all written yet: an event will come
    if (fault_ != settings.error().text) spdlog::warn("{}: {}", name(), settings.error().text);
    fault_ = settings.error().text;
    return;
  }
  if (watched_.empty()) begin(*settings);
  auto peer = xenstore::read_state(host_.store.view(), settings->frontend);
  if (!peer) {
    spdlog::warn("{}: {}", name(), peer.error().text);
    return;
  }
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
        disconnect();
        break;
    }
    if (!done) return fail(done.error().text);
    enter(next.next);
  }
}

// First sight of the vif: watch its front end, and take over what an earlier daemon left connected.
void Vif::begin(const xenstore::BackendSettings& settings) {
  watched_ = settings.frontend + "/" + xenstore::key::kState;
  if (auto done = host_.store.watch(watched_, [this](const std::string&) { update(); }); !done)
    spdlog::error("{}: {}", name(), done.error().text);
  auto self = xenstore::read_state(host_.store.view(), xenstore::backend_path(id_));
  auto peer = xenstore::read_state(host_.store.view(), settings.frontend);
  if (!self || !peer) return;
  if (*self == XenbusState::connected && *peer == XenbusState::connected) {
    spdlog::info("{}: taking over a connected vif", name());
    Result<void> done = make_tap(settings);
    if (done) done = connect(settings);
    if (!done) return fail(done.error().text);
    state_ = XenbusState::connected;
    return;
  }
  state_ = *self == XenbusState::closing || *self == XenbusState::closed ? *self : XenbusState::initialising;
}

Result<void> Vif::make_tap(const xenstore::BackendSettings& settings) {
  if (tap_.is_open()) return {};
  auto tap = net::Tap::create(name());
  if (!tap) return tap.error();
  tap_ = std::move(*tap);
  if (auto done = tap_.set_carrier(false); !done) return done;
  if (!settings.hotplug_done || !settings.bridge) return {};
  // The script has run for an interface that is gone with an earlier daemon; libxl will not run it again.
  return net::change_link(tap_.index(),
                          {.up = true, .mtu = settings.mtu, .mac = kBackendMac, .master = settings.bridge});
}

Result<void> Vif::advertise(const xenstore::BackendSettings& settings) {
  forget();
  fault_.clear();
  // The hotplug script runs the moment state 2 is seen, and needs the interface then.
  if (auto done = make_tap(settings); !done) return done;
  return host_.store.transact([&](xenstore::View& view) {
    return xenstore::write_backend_offer(view, id_, offered_features(), host_.max_queues);
  });
}

Result<void> Vif::connect(const xenstore::BackendSettings& settings) {
  auto frontend = xenstore::read_frontend_offer(host_.store.view(), settings.frontend, host_.max_queues);
  if (!frontend) return frontend.error();
  const xenstore::Features& f = frontend->features;
  if (auto done = tap_.set_offloads({.checksum = f.ipv4_csum, .tso4 = f.gso_tcpv4, .tso6 = f.gso_tcpv6});
      !done)
    return done;
  if (auto done = tap_.set_queues(frontend->queues.size()); !done) return done;
  ++connects_;
  addresses_ = frontend->queues;
  frontend_features_ = f;
  for (std::size_t i = 0; i < frontend->queues.size(); ++i)
    if (auto done = add_queue(*frontend, i); !done) return done;
  return tap_.set_carrier(true);
}

Result<void> Vif::add_queue(const xenstore::FrontendOffer& frontend, std::size_t number) {
  auto on_fault = [this, &loop = host_.loop, alive = std::weak_ptr(alive_)](std::string reason) {
    boost::asio::post(loop, [this, alive, reason = std::move(reason)] {
      if (!alive.expired()) fail(reason);
    });
  };
  Worker& worker = host_.least_loaded();
  auto queue = worker.thread->call([&] {
    return Queue::connect(worker, id_.domid, frontend.queues[number], frontend.features, tap_.fd(number),
                          counters_[number], std::move(on_fault));
  });
  if (!queue) return queue.error();
  queues_.push_back({&worker, std::move(*queue)});
  counters_used_ = std::max(counters_used_, number + 1);
  ++worker.queues;
  return {};
}

void Vif::disconnect() {
  if (queues_.empty()) return;
  // Before the front end may take its rings back, every mapping of them is gone.
  for (Placed& placed : queues_) {
    placed.worker->thread->call([&] { placed.queue.reset(); });
    --placed.worker->queues;
  }
  queues_.clear();
  (void)tap_.set_carrier(false);
  (void)tap_.set_queues(1);
}

void Vif::enter(XenbusState next) {
  if (next == state_) return;
  spdlog::info("{}: {} -> {}", name(), xenstore::name(state_), xenstore::name(next));
  state_ = next;
  if (auto done = xenstore::switch_state(host_.store, xenstore::backend_path(id_), next); !done)
    spdlog::error("{}: {}", name(), done.error().text);
}

void Vif::fail(const std::string& reason) {
  spdlog::error("{}: cut off: {}", name(), reason);
  disconnect();
  fault_ = reason;
  // Where xenbus_dev_fatal of Linux says it too.
  const std::string node =
      std::string(xenstore::key::kError) + "/" + xenstore::backend_path(id_) + "/" + xenstore::key::kError;
  (void)host_.store.view().write(node, reason);
  enter(XenbusState::closing);
}

void Vif::forget() {
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
  for (Placed& placed : queues_) placed.worker->thread->call([&] { placed.queue->capture_to(capture); });
}

}  // namespace hush::dom0
