#include "domu/vif/vif.hpp"

#include <net/if.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <boost/asio/post.hpp>
#include <utility>

#include "domu/take_over.hpp"

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

net::LinkChange as_it_was(const net::InterfaceState& had, const xenstore::Features& backend) {
  return {.up = {}, .mtu = tap_mtu(backend, had.mtu), .mac = had.mac, .master = {}};
}

std::string queues_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " queue" : " queues");
}

}  // namespace

Worker& Guest::least_loaded() {
  return *std::ranges::min_element(workers, {}, &Worker::queues);
}

void Guest::notice_restore() {
  const std::string restored = self.restored(store);
  if (restored.empty()) return;
  ++restores;
  spdlog::info("{}", restored);
  for (const Worker& worker : workers) {
    auto done = worker.thread->call([&worker] { return worker.thread->begin_anew(); });
    if (!done) spdlog::warn("{}", OwnDomain::not_kept(done.error()));
  }
}

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
  keep(0);
  if (tap_.is_open() && (left_ || !kept_)) (void)tap_.set_persistent(false);
}

void Vif::leave(std::function<void()> on_gone) {
  left_ = true;
  handshake_->leave(std::move(on_gone));
}

void Vif::say(Handshake::Weight weight, const std::string& text) {
  spdlog::log(level_of(weight), "{}: {}", name_, text);
}

Result<net::InterfaceState> Vif::interface() const {
  std::array<char, IF_NAMESIZE> name{};  // the guest may have given it another one
  if (if_indextoname(tap_.index(), name.data()) == nullptr)
    return errno_error("look up interface " + options_.tap);
  return net::read_interface(name.data());
}

// A new device is the kernel's to look at first; it takes it a moment later, and then it can be taken away.
Result<void> Vif::keep_kernel_away() {
  const KernelNetfront kernel(options_.device, options_.sysfs);
  if (!options_.take_over) return kernel.must_not_drive();
  if (kernel.loaded() && !kernel.has_device() && handshake_)
    return error("the kernel has not seen the device yet");
  auto taken = take_over(kernel);
  if (!taken) return taken.error();
  if (*taken)
    say(Handshake::Weight::info, "the kernel's xen-netfront had taken the device; it is taken over");
  return {};
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
  for (const Placed& placed : queues_) placed.queue->set_polling(polling_);
}

std::vector<std::string> Vif::thread_names() const {
  std::vector<std::string> names;
  for (const Placed& placed : queues_) names.push_back(placed.worker->thread->name());
  return names;
}

Result<void> Vif::connect(const xenstore::FrontendSettings& settings) {
  guest_.notice_restore();
  restores_ = guest_.restores;
  if (!tap_.is_open())
    if (auto made = make_tap(); !made) return made;
  auto backend = xenstore::read_backend_features(guest_.store.view(), settings.backend);
  if (!backend) return backend.error();
  const auto max_queues = xenstore::read_max_queues(guest_.store.view(), settings.backend);
  if (!max_queues) return max_queues.error();
  const bool takes_area =
      options_.area && !std::exchange(netif_next_, false) && backend->hush_area >= area::kVersion;
  const area::Sizes sizes = takes_area ? first_sizes(settings.backend) : area::Sizes{};
  const bool small_area = takes_area && std::min(sizes.guest_tx, sizes.guest_rx) < area::kMinRingOfOffloads;
  if (auto done = shape_tap(settings, *backend, small_area ? net::Offloads{} : tap_offloads(*backend)); !done)
    return done;

  const Queue::Setup setup{settings.backend_id, -1, backend->sg, backend->split_event_channels};
  if (auto made = make_queues(setup, sizes, queues_to_make(options_.queues, *max_queues)); !made) return made;
  xenstore::FrontendOffer offer{{}, offered_features()};
  for (const Placed& placed : queues_) offer.queues.push_back(placed.queue->address());
  const bool offers_areas = queues_.front().queue->offers_area();
  if (offers_areas) offer.area_version = area::kVersion;
  ++connects_;
  if (auto told = xenstore::publish_frontend_offer(guest_.store, handshake_->directory(), offer); !told)
    return told;
  spdlog::info("{}: Initialising -> Connected: {}, {}, {}{}", name_, queues_text(queues_.size()),
               backend->sg ? "scatter-gather" : "one slot a frame",
               backend->split_event_channels ? "an event channel for each direction" : "one event channel",
               !offers_areas         ? ""
               : queues_.size() == 1 ? ", an area"
                                     : ", an area each");
  return {};
}

// Those of a connection, with what each shares with the back end: an area, or where they are none the pages
// of the netif path. What a guest may grant is limited, so there may be fewer than could be agreed.
Result<void> Vif::make_queues(const Queue::Setup& setup, area::Sizes areas, QueueCount count) {
  if (auto done = tap_.set_queues(count.queues); !done) return done;
  std::string why_fewer(count.why_fewer);
  while (queues_.size() < count.queues)
    if (auto made = make_queue(setup); !made) {
      if (queues_.empty()) return made;
      why_fewer = made.error().text;
      break;
    }
  if (areas == area::Sizes{} || !share_areas(areas, why_fewer)) {
    std::string why_not;
    const std::size_t had = share_each([](Queue& queue) { return queue.share_buffers(); }, why_not);
    if (had == 0) return error(why_not);
    if (had < queues_.size()) why_fewer = why_not;
    keep(had);
  }
  if (auto done = tap_.set_queues(queues_.size()); !done) return done;
  counters_used_ = std::max(counters_used_, queues_.size());
  for (const Placed& placed : queues_) placed.queue->set_polling(polling_);
  if (queues_.size() < options_.queues)
    spdlog::info("{}: {} in the place of {}: {}", name_, queues_text(queues_.size()), options_.queues,
                 why_fewer);
  return {};
}

Result<void> Vif::make_queue(const Queue::Setup& setup) {
  const std::size_t number = queues_.size();
  // What its data thread reports of this connection, on the control thread.
  const auto post = [this, connection = connects_ + 1, alive = alive_](auto act) {
    boost::asio::post(guest_.loop, [this, connection, alive, act] {
      if (*alive && connection == connects_) act();
    });
  };
  Queue::Setup own = setup;
  own.tap = tap_.fd(number);
  Worker& worker = guest_.least_loaded();
  auto queue = Queue::create(
      *worker.thread, guest_.shares, own, counters_[number],
      [this, post, number](Fault fault, std::string why) {
        post([this, number, fault, why] { cut_off(number, fault, why); });
      },
      [this, post, number](std::optional<relay::Standstill> stall) {
        post([this, number, stall] { on_stall(number, stall); });
      });
  if (!queue) return queue.error();
  queues_.push_back({&worker, std::move(*queue)});
  ++worker.queues;
  return {};
}

// Of all queues, of the same sizes. Where there is no memory or no grant for as much, rings get shorter first
// (they follow their traffic later), then queues get fewer; false: not even the first queue can have one.
bool Vif::share_areas(area::Sizes sizes, std::string& why_fewer) {
  const area::Sizes wanted = sizes;
  std::string why_not;
  const auto share = [this, &sizes, &why_not] {
    return share_each([&sizes](Queue& queue) { return queue.share_area(sizes); }, why_not);
  };
  std::size_t had = share();
  while (had < queues_.size()) {
    const auto smaller = options_.area_ring == 0 ? smaller_areas(sizes) : std::nullopt;
    if (!smaller) break;
    for (const Placed& placed : queues_) placed.queue->drop_area();
    sizes = *smaller;
    had = share();
  }
  if (had == 0) {
    spdlog::warn("{}: no area, it will go by the netif path: {}", name_, why_not);
    return false;
  }
  if (sizes != wanted) spdlog::warn("{}: a smaller area than was advised: {}", name_, why_not);
  if (had < queues_.size()) why_fewer = why_not;
  keep(had);
  return true;
}

// One queue after the other, until one cannot have it. How many can; why_not: of the first that ever could
// not.
std::size_t Vif::share_each(const Share& share, std::string& why_not) {
  for (std::size_t i = 0; i < queues_.size(); ++i)
    if (auto done = share(*queues_[i].queue); !done) {
      if (why_not.empty()) why_not = done.error().text;
      return i;
    }
  return queues_.size();
}

// The queues behind these are given up.
void Vif::keep(std::size_t count) {
  if (queues_.size() > count) guest_.notice_restore();
  while (queues_.size() > count) {
    --queues_.back().worker->queues;
    queues_.pop_back();
  }
}

std::string Vif::alias_of(std::uint32_t device) {
  return "hush-frontd vif-" + std::to_string(device);
}

Result<void> Vif::make_tap() {
  const std::string kept = std::exchange(options_.kept, {});
  kept_ = !kept.empty();
  auto tap = kept_ ? net::Tap::take_up(kept) : net::Tap::create(options_.tap);
  if (!tap && kept_)
    return error("cannot go on with interface " + kept +
                     ", which is named as one that a hush-frontd has left (" + tap.error().text +
                     "); if nobody needs it: ip link del " + kept,
                 tap.error().code);
  if (!tap) return tap.error();
  tap_ = std::move(*tap);
  shape_.reset();
  if (auto done = tap_.set_carrier(false); !done) return done;
  if (auto done = net::change_link(tap_.index(), {.alias = alias_of(options_.device)}); !done) return done;
  if (auto done = tap_.set_persistent(true); !done) return done;
  if (kept_) {
    say(Handshake::Weight::info, "goes on with the interface of a hush-frontd that did not end in order");
    return options_.up ? net::change_link(tap_.index(), {.up = true}) : Result<void>();
  }
  // Now, not when the vif connects: routes and services may be set up before.
  if (options_.had.name.empty())
    return options_.up ? net::change_link(tap_.index(), {.up = true, .mtu = {}, .mac = {}, .master = {}})
                       : Result<void>();
  if (auto done = net::change_link(
          tap_.index(), {.up = {}, .mtu = options_.had.mtu, .mac = options_.had.mac, .master = {}});
      !done)
    return done;
  net::InterfaceState wanted = options_.had;
  wanted.up = wanted.up || options_.up;
  for (const auto& line : net::furnish(tap_.index(), wanted)) say(Handshake::Weight::warning, line);
  return {};
}

Result<void> Vif::shape_tap(const xenstore::FrontendSettings& settings, const xenstore::Features& backend,
                            net::Offloads offloads) {
  if (auto done = tap_.set_offloads(offloads); !done) return done;
  net::LinkChange change{.up = {}, .mtu = tap_mtu(backend, settings.mtu), .mac = {}, .master = {}};
  if (!settings.mac.empty()) change.mac = settings.mac;
  // What the guest has changed since stays as it is over a reconnect.
  if (change == shape_) return {};
  const bool first = !shape_;
  shape_ = change;
  if (first && kept_) return {};
  // So does what it had set at the kernel's interface.
  if (first && !options_.had.name.empty()) change = as_it_was(options_.had, backend);
  auto done = net::change_link(tap_.index(), change);
  if (!done) shape_.reset();
  return done;
}

Result<void> Vif::serve(const xenstore::FrontendSettings& settings) {
  if (auto done = tap_.set_carrier(true); !done) spdlog::warn("{}: {}", name_, done.error().text);
  on_area_ = areas_are_acknowledged(settings.backend);
  if (auto started = on_area_ ? start_areas(settings.backend) : start_netif(); !started) return started;
  spdlog::info("{}: serving, the back end in domain {} is connected, path {}, {}", name_,
               settings.backend_id.value, on_area_ ? "area" : "netif", queues_text(queues_.size()));
  return {};
}

Result<void> Vif::start_netif() {
  // The areas that were not taken go first: what the guest may grant is for one of the two.
  for (const Placed& placed : queues_) placed.queue->drop_area();
  std::string why_not;
  if (share_each([](Queue& queue) { return queue.share_buffers(); }, why_not) < queues_.size()) {
    // So many queues were agreed for areas. Without areas there will be as many as there are grants for.
    netif_next_ = queues_.size() > 1;
    return error("no grants for the netif path of " + queues_text(queues_.size()) + ": " + why_not);
  }
  for (const Placed& placed : queues_) placed.queue->start_netif();
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

Result<void> Vif::start_areas(const std::string& backend) {
  for (std::size_t i = 0; i < queues_.size(); ++i)
    if (auto started = start_area(i, backend); !started) return started;
  return {};
}

Result<void> Vif::start_area(std::size_t number, const std::string& backend) {
  const auto moved = [this, number, connection = connects_, alive = alive_] {
    boost::asio::post(guest_.loop, [this, number, connection, alive] {
      if (*alive && connection == connects_ && number < queues_.size()) queues_[number].queue->moved();
    });
  };
  return queues_[number].queue->start_area(
      {.loop = guest_.loop,
       .store = guest_.store,
       .device = handshake_->directory(),
       .backend = backend,
       .number = number,
       .queues = queues_.size(),
       .say = [of = queue_name(number)](const std::string& text) { spdlog::info("{}: {}", of, text); }},
      xenstore::read_area_stall(guest_.store.view(), backend), moved);
}

// What the back end says to the areas that it was offered, in the transaction of its state.
bool Vif::areas_are_acknowledged(const std::string& backend) {
  if (!queues_.front().queue->offers_area()) return false;
  const std::string refused = xenstore::read_area_refusal(guest_.store.view(), backend);
  if (refused.empty()) return true;
  spdlog::warn("{}: the back end does not take the area: {}", name_, refused);
  return false;
}

void Vif::on_stall(std::size_t queue, std::optional<relay::Standstill> standstill) {
  if (standstill)
    spdlog::warn("{}: the back end is stalled: {}; what is for it is dropped", queue_name(queue),
                 standstill->cause);
  else
    spdlog::info("{}: the back end is not stalled any more", queue_name(queue));
}

// For the log: the vif's own name where it has one queue.
std::string Vif::queue_name(std::size_t number) const {
  return queues_.size() == 1 ? name_ : name_ + ": queue " + std::to_string(number);
}

void Vif::disconnect() {
  const bool had_some = !queues_.empty();
  if (had_some && tap_.is_open()) (void)tap_.set_carrier(false);
  keep(0);
  // What no queue reads any more must not keep frames: one stays, for the interface to live.
  if (had_some && tap_.is_open()) (void)tap_.set_queues(1);
}

void Vif::cut_off(std::size_t queue, Fault fault, const std::string& why) {
  if (queues_.empty()) return;
  if (fault == Fault::tap_lost) {
    spdlog::warn("{}: somebody deleted the interface; it is made again", name_);
    keep(0);
    tap_.close();
    return handshake_->start_over();
  }
  // The back end wrote on while the guest's memory was saved, page after page: what is there now is no lie.
  guest_.notice_restore();
  if (restores_ != guest_.restores) return handshake_->lose();
  const std::string reason = queues_.size() == 1 ? why : "queue " + std::to_string(queue) + ": " + why;
  spdlog::error("{}: cut off: {}", name_, reason);
  fault_ = fault;
  handshake_->cut_off(reason);
}

}  // namespace hush::domu
