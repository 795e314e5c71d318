#include "domu/library/direct_vif.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "domu/vif/agreement.hpp"

namespace hush {
namespace {

// Bytes of a ring where nobody says anything.
constexpr std::uint32_t kUsualRing = 1024 * 1024;

xenstore::Features offered_features(bool offloads) {
  xenstore::Features features = domu::offered_features();
  if (offloads) return features;
  features.gso_tcpv4 = features.gso_tcpv6 = features.ipv4_csum = features.ipv6_csum = false;
  return features;
}

timespec timespec_of(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}

}  // namespace

Result<std::unique_ptr<DirectVif>> DirectVif::open(Options options) {
  if (options.ring != 0 && !area::is_ring_length(options.ring))
    return error("a ring of " + std::to_string(options.ring) +
                     " bytes: it must be a power of two from 4 KiB to 32 MiB",
                 EINVAL);
  if (options.offloads && options.ring != 0 && options.ring < area::kMinRingOfOffloads)
    return error("offloads take rings of 256 KiB", EINVAL);
  if (options.device > xenstore::kMaxHandle)
    return error("there is no device " + std::to_string(options.device), EINVAL);
  auto shares = xen::GrantShare::open();
  if (!shares) return shares.error();
  auto channels = xen::EventChannels::open();
  if (!channels) return channels.error();
  std::unique_ptr<DirectVif> vif{new DirectVif(std::move(options), std::move(*shares), std::move(*channels))};
  if (auto done = vif->begin(); !done) return done.error();
  return vif;
}

DirectVif::DirectVif(Options options, xen::GrantShare shares, xen::EventChannels channels)
    : options_(std::move(options)),
      shares_(std::move(shares)),
      channels_(std::move(channels)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

DirectVif::~DirectVif() {
  handshake_.reset();
  disconnect();
}

Result<void> DirectVif::begin() {
  auto store = xenstore::Client::open(loop_);
  if (!store) return store.error();
  store_ = std::move(*store);
  auto self = domu::OwnDomain::read(*store_);
  if (!self) return self.error();
  self_ = *self;
  for (const int fd : {store_->fd(), timer_.get()})
    if (auto done = listen_to(fd); !done) return done;
  auto handshake = domu::Handshake::begin(options_.device, loop_, *store_, *this);
  if (!handshake) return handshake.error();
  handshake_ = std::move(*handshake);
  step();
  return {};
}

Result<void> DirectVif::listen_to(int fd) {
  epoll_event interest{.events = EPOLLIN, .data = {}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) != 0 && errno != EEXIST)
    return errno_error("wait on events");
  return {};
}

// Before the channel is unbound, and before there is a new one.
bool DirectVif::notice_restore() {
  const std::string restored = self_->restored(*store_);
  if (restored.empty()) return false;
  say(domu::Handshake::Weight::info, restored);
  if (rings_) {
    rings_->leave_channel();
    set_channels_aside();
  }
  return true;
}

// Taken off first: with the keeper's copy of it a closed descriptor would stay in the set, out of reach.
void DirectVif::set_channels_aside() {
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, channels_.fd(), nullptr);
  if (auto done = channels_.begin_anew(options_.keeper); !done)
    say(domu::Handshake::Weight::warning, domu::OwnDomain::not_kept(done.error()));
}

void DirectVif::say(domu::Handshake::Weight, const std::string& text) {
  if (options_.log) options_.log(text);
}

Result<void> DirectVif::connect(const xenstore::FrontendSettings& settings) {
  (void)notice_restore();
  const auto attempt = [&]() -> Result<void> {
    if (channels_.dead()) set_channels_aside();
    if (channels_.dead()) return error("no event channels but those of before the restore");
    if (auto done = listen_to(channels_.fd()); !done) return done;
    const auto backend = xenstore::read_backend_features(store_->view(), settings.backend);
    if (!backend) return backend.error();
    backend_sg_ = backend->sg;
    auto rings = NetifRings::share(shares_, channels_, settings.backend_id);
    if (!rings) return rings.error();
    rings_.emplace(std::move(*rings));
    auto offered = backend->hush_area < area::kVersion
                       ? Result<void>(error("the back end has no area path", ENOTSUP))
                       : offer_area(settings);
    if (!offered && !may_use_netif()) return offered;
    if (!offered) say(domu::Handshake::Weight::info, "no area: " + offered.error().text);
    xenstore::FrontendOffer offer{.queues = {rings_->address()},
                                  .features = offered_features(options_.offloads)};
    if (area_) {
      offer.queues.front().area = area_->address();
      offer.area_version = area::kVersion;
    }
    return xenstore::publish_frontend_offer(*store_, handshake_->directory(), offer);
  };
  auto done = attempt();
  trouble_ = done ? std::string() : done.error().text;
  return done;
}

Result<void> DirectVif::offer_area(const xenstore::FrontendSettings& settings) {
  auto area = AreaLink::create(shares_, channels_, settings.backend_id, rings_->port(),
                               first_sizes(settings.backend), sleeps_, counters_);
  if (!area) return area.error();
  area_ = std::move(*area);
  return {};
}

area::Sizes DirectVif::first_sizes(const std::string& backend) const {
  if (options_.ring != 0) return {options_.ring, options_.ring};
  const auto advised = xenstore::read_area_first(store_->view(), backend);
  if (!advised) return {kUsualRing, kUsualRing};
  const std::uint32_t least = options_.offloads ? area::kMinRingOfOffloads : area::kMinRing;
  const auto ring = [least](std::uint32_t wanted) {
    return std::bit_ceil(std::clamp(wanted, least, area::kMaxRing));
  };
  return {ring(advised->guest_tx), ring(advised->guest_rx)};
}

Result<void> DirectVif::serve(const xenstore::FrontendSettings& settings) {
  if (area_) {
    const std::string why = xenstore::read_area_refusal(store_->view(), settings.backend);
    if (!why.empty() && !may_use_netif()) {
      refused_ = why;  // step() has it cut off, which cannot be done from in here
      return {};
    }
    if (!why.empty()) {
      say(domu::Handshake::Weight::info, "the back end does not take the area: " + why);
      area_.reset();
    }
  }
  auto served = area_ ? serve_area(settings) : serve_netif(settings);
  if (!served) return served;
  ++connects_;
  say(domu::Handshake::Weight::info, "up, the back end is in domain " +
                                         std::to_string(settings.backend_id.value) +
                                         (area_ ? "" : ", by the rings of netif"));
  return {};
}

Result<void> DirectVif::serve_area(const xenstore::FrontendSettings& settings) {
  auto started =
      area_->start({.loop = loop_,
                    .store = *store_,
                    .device = handshake_->directory(),
                    .backend = settings.backend,
                    .say = [this](const std::string& text) { say(domu::Handshake::Weight::info, text); }},
                   xenstore::read_area_stall(store_->view(), settings.backend));
  if (started) up_.emplace(Link{*area_});
  return started;
}

Result<void> DirectVif::serve_netif(const xenstore::FrontendSettings& settings) {
  auto netif = NetifLink::create(shares_, channels_, settings.backend_id, *rings_, backend_sg_, counters_);
  trouble_ = netif ? std::string() : netif.error().text;
  if (!netif) return netif.error();
  netif_ = std::move(*netif);
  up_.emplace(Link{*netif_});
  return {};
}

void DirectVif::disconnect() {
  if (area_) sleeps_ = area_->sleeps();
  up_.reset();
  looked_again_ = false;
  if (rings_) (void)notice_restore();
  rings_.reset();  // first: no event is sent by what is taken back
  area_.reset();
  netif_.reset();
}

void DirectVif::forgiven() {
  barred_for_.clear();
}

void DirectVif::step() {
  take_event();
  if (up_) {
    up_->awake();
    up_->tick(Clock::now());
  }
  judge_link();
  run_loop();
}

void DirectVif::run_loop() {
  if (loop_.stopped()) loop_.restart();
  loop_.poll();
  judge_link();
}

// There is one port at most, and it stays masked from here until it is listened to again: one call.
void DirectVif::take_event() {
  const auto port = channels_.pending();
  if (!port || !rings_ || *port != rings_->port()) return;
  if (std::exchange(looked_again_, false)) counters_.polls.needless.add();
  if (up_) return up_->on_event();
  if (area_) area_->on_event();
}

// A back end that lies or refuses is given up.
void DirectVif::judge_link() {
  std::string why;
  if (!refused_.empty()) why = "the back end does not take the area: " + std::exchange(refused_, {});
  if (up_ && !up_->fault().empty()) why = up_->fault();
  if (why.empty() || !rings_) return;
  // The back end wrote on while the guest's memory was saved, page after page: what is there now is no lie.
  if (notice_restore()) return handshake_->lose();
  say(domu::Handshake::Weight::error, "cut off: " + why);
  barred_for_ = why;
  handshake_->cut_off(why);
}

bool DirectVif::arm(const Wanted& wanted) {
  if (!up_) return true;
  const bool may = up_->doze(wanted);
  looked_again_ = !may;
  if (may) counters_.polls.sleeps.add();
  // A ring that is not empty is watched from now on.
  up_->tick(Clock::now());
  return may && up_->fault().empty();
}

bool DirectVif::may_wait(const Wanted& wanted) {
  if (!arm(wanted)) return false;
  set_timer();
  return true;
}

void DirectVif::wait(std::chrono::nanoseconds timeout, const Wanted& wanted) {
  if (arm(wanted)) {
    auto until = due();
    const auto now = Clock::now();
    if (timeout.count() >= 0) until = std::min(until.value_or(Clock::time_point::max()), now + timeout);
    const timespec left =
        timespec_of(until ? std::max(*until - now, Clock::duration::zero()) : Clock::duration::zero());
    std::array<pollfd, 2> fds{{{channels_.fd(), POLLIN, 0}, {store_->fd(), POLLIN, 0}}};
    const int ready = ::ppoll(fds.data(), fds.size(), until ? &left : nullptr, nullptr);
    // The peer's event and nothing else: what a wait is for, at the least cost.
    if (ready == 1 && fds[0].revents != 0 && up_) {
      take_event();
      return up_->awake();
    }
  }
  step();
}

std::optional<DirectVif::Clock::time_point> DirectVif::due() const {
  auto first = handshake_->due();
  if (!up_) return first;
  const auto other = up_->due();
  return other && (!first || *other < *first) ? other : first;
}

void DirectVif::set_timer() {
  const auto due_at = due();
  if (due_at == timer_set_to_) return;
  timer_set_to_ = due_at;
  itimerspec at{};  // 0: never
  if (due_at) at.it_value = timespec_of(std::max(due_at->time_since_epoch(), Clock::duration{1}));
  (void)::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

bool DirectVif::close(std::chrono::milliseconds patience) {
  closed_ = true;
  up_.reset();  // what is shared stays so until the back end has let go
  handshake_->leave([this] { answered_ = true; });
  const auto end = Clock::now() + patience;
  while (!answered_ && Clock::now() < end) {
    if (loop_.stopped()) loop_.restart();
    loop_.run_one_until(end);
  }
  return answered_;
}

DirectVif::State DirectVif::state() const {
  if (closed_) return State::closed;
  if (up_) return State::up;
  return barred_for_.empty() ? State::waiting : State::barred;
}

const std::string& DirectVif::reason() const {
  static const std::string kNone;
  if (closed_ || up_) return kNone;
  if (!barred_for_.empty()) return barred_for_;
  return trouble_.empty() ? handshake_->waiting_for() : trouble_;
}

}  // namespace hush
