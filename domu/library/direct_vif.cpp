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
  link_.reset();
}

Result<void> DirectVif::begin() {
  auto store = xenstore::Client::open(loop_);
  if (!store) return store.error();
  store_ = std::move(*store);
  for (const int fd : {channels_.fd(), store_->fd(), timer_.get()}) {
    epoll_event interest{.events = EPOLLIN, .data = {}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) != 0) return errno_error("wait on events");
  }
  auto handshake = domu::Handshake::begin(options_.device, loop_, *store_, *this);
  if (!handshake) return handshake.error();
  handshake_ = std::move(*handshake);
  step();
  return {};
}

void DirectVif::say(domu::Handshake::Weight, const std::string& text) {
  if (options_.log) options_.log(text);
}

Result<void> DirectVif::connect(const xenstore::FrontendSettings& settings) {
  const auto attempt = [&]() -> Result<void> {
    const auto backend = xenstore::read_backend_features(store_->view(), settings.backend);
    if (!backend) return backend.error();
    if (backend->hush_area < area::kVersion) return error("the back end has no area path", ENOTSUP);
    auto link = AreaLink::create(shares_, channels_, settings.backend_id, first_sizes(settings.backend),
                                 sleeps_, counters_);
    if (!link) return link.error();
    link_ = std::move(*link);
    const xenstore::FrontendOffer offer{.queues = {link_->address()},
                                        .features = offered_features(options_.offloads),
                                        .area_version = area::kVersion};
    return xenstore::publish_frontend_offer(*store_, handshake_->directory(), offer);
  };
  auto done = attempt();
  trouble_ = done ? std::string() : done.error().text;
  return done;
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
  refused_ = xenstore::read_area_refusal(store_->view(), settings.backend);
  if (!refused_.empty()) return {};  // step() has it cut off, which cannot be done from in here
  auto started =
      link_->start({.loop = loop_,
                    .store = *store_,
                    .device = handshake_->directory(),
                    .backend = settings.backend,
                    .say = [this](const std::string& text) { say(domu::Handshake::Weight::info, text); }},
                   xenstore::read_area_stall(store_->view(), settings.backend));
  if (!started) return started;
  up_ = link_.get();
  ++connects_;
  say(domu::Handshake::Weight::info,
      "up, the back end is in domain " + std::to_string(settings.backend_id.value));
  return {};
}

void DirectVif::disconnect() {
  if (link_) sleeps_ = link_->sleeps();
  up_ = nullptr;
  link_.reset();
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
  if (port && link_ && *port == link_->port()) link_->on_event();
}

// A back end that lies or refuses is given up.
void DirectVif::judge_link() {
  std::string why;
  if (!refused_.empty()) why = "the back end does not take the area: " + std::exchange(refused_, {});
  if (up_ && up_->fault() != area::Fault::none) why = area::to_text(up_->fault());
  if (why.empty() || !link_) return;
  say(domu::Handshake::Weight::error, "cut off: " + why);
  barred_for_ = why;
  handshake_->cut_off(why);
}

bool DirectVif::arm(const Wanted& wanted) {
  if (!up_) return true;
  const bool may = up_->doze(wanted);
  // A ring that is not empty is watched from now on.
  up_->tick(Clock::now());
  return may && up_->fault() == area::Fault::none;
}

bool DirectVif::may_wait(const Wanted& wanted) {
  if (!arm(wanted)) return false;
  set_timer();
  return true;
}

void DirectVif::wait(std::chrono::milliseconds timeout, const Wanted& wanted) {
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
  up_ = nullptr;  // what is shared stays so until the back end has let go
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
