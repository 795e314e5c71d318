#include "domu/vif/handshake.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

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

Result<std::unique_ptr<Handshake>> Handshake::begin(std::uint32_t device, boost::asio::io_context& loop,
                                                    xenstore::Client& store, Owner& owner) {
  if (auto clear = owner.keep_kernel_away(); !clear) return clear.error();
  std::unique_ptr<Handshake> made{new Handshake(device, loop, store, owner)};
  // Everything below the device: the toolstack makes and removes it as a whole. The first event comes at
  // once.
  auto watched = store.watch(made->directory_, [h = made.get()](const std::string&) { h->schedule(); });
  if (!watched) return watched.error();
  return made;
}

Handshake::Handshake(std::uint32_t device, boost::asio::io_context& loop, xenstore::Client& store,
                     Owner& owner)
    : loop_(loop), store_(store), owner_(owner), directory_(xenstore::frontend_path(device)), retry_(loop) {}

Handshake::~Handshake() {
  *alive_ = false;
  store_.unwatch(directory_);
  follow_backend("");
}

// Nodes change in groups, and a hostile peer can write its own a million times: one look for all of them.
void Handshake::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  boost::asio::post(loop_, [this, alive = alive_] {
    if (!*alive) return;
    scheduled_ = false;
    update();
  });
}

void Handshake::update() {
  owner_.changed();
  for (int i = 0; i < kMaxSteps; ++i) {
    auto seen = look();
    if (!seen) {
      owner_.say(Weight::warning, seen.error().text);
      return;
    }
    sight_ = *seen;
    const Self self = self_state(sight_.node, held_, barred_);
    Step next = step(self, sight_.peer, sight_.online);
    if (leaving_ && self == Self::connected) next = {Action::none, XenbusState::closing};
    if (leaving_ && (self == Self::initialising || self == Self::absent || self == Self::barred)) break;
    if (next.settled() && next.action == Action::none) {
      say_waiting(self);
      return;
    }
    const bool starts = next.action == Action::connect || next.write == XenbusState::initialising;
    const bool disowns = self == Self::stale;     // it may be the kernel's driver that is connected
    if ((starts || disowns) && delayed_) return;  // the timer comes back to it
    if (disowns && !is_ours()) return;
    if (next.write == XenbusState::initialising && !may_start_over()) return;
    if (!perform(next) || next.settled()) return;
  }
  if (gone() && on_gone_) boost::asio::post(loop_, std::exchange(on_gone_, {}));
}

Result<Handshake::Sight> Handshake::look() {
  Sight seen;
  const auto view = store_.view();
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

void Handshake::follow_backend(const std::string& path) {
  const std::string state = path.empty() ? "" : path + "/" + xenstore::key::kState;
  if (state == watched_) return;
  if (!watched_.empty()) store_.unwatch(watched_);
  watched_ = state;
  if (state.empty()) return;
  if (auto done = store_.watch(state, [this](const std::string&) { schedule(); }); !done)
    owner_.say(Weight::warning, done.error().text);
}

bool Handshake::perform(const Step& next) {
  switch (next.action) {
    case Action::none:
      break;
    case Action::serve:
      return serve();
    case Action::disconnect:
      disconnect();
      break;
    case Action::connect:
      return connect();  // the state goes out with the keys
  }
  return next.write == XenbusState::unknown || write_state(next.write);
}

bool Handshake::is_ours() {
  auto clear = owner_.keep_kernel_away();
  if (clear) return true;
  owner_.say(Weight::error, "cannot connect: " + clear.error().text);
  retry_later();
  return false;
}

bool Handshake::connect() {
  if (!is_ours()) return false;
  auto done = owner_.connect(sight_.settings);
  if (done) return held_ = true;
  owner_.say(Weight::error, "cannot connect: " + done.error().text);
  disconnect();
  retry_later();
  return false;
}

bool Handshake::serve() {
  if (serving_) return true;
  serving_ = true;
  served_since_ = Clock::now();
  said_.clear();
  auto done = owner_.serve(sight_.settings);
  if (done) return true;
  owner_.say(Weight::error, "cannot serve: " + done.error().text);
  disconnect();
  (void)write_state(XenbusState::closing);
  retry_later();
  return false;
}

void Handshake::disconnect() {
  if (serving_ && Clock::now() - served_since_ > kGoodConnection) delay_ = 0ms;
  held_ = serving_ = false;
  owner_.disconnect();
}

bool Handshake::write_state(XenbusState state) {
  owner_.say(Weight::info, std::string(xenstore::name(sight_.node)) + " -> " +
                               std::string(xenstore::name(state)) +
                               " (back end: " + std::string(xenstore::name(sight_.peer)) + ")");
  if (auto done = xenstore::switch_state(store_, directory_, state); !done) {
    owner_.say(Weight::error, done.error().text);
    return false;
  }
  return true;
}

void Handshake::cut_off(const std::string& why) {
  if (!held_) return;
  barred_ = accused_ = true;
  (void)store_.view().write(error_node(), "cut off: " + why);
  start_over();
}

void Handshake::start_over() {
  if (!held_) return;
  disconnect();
  if (write_state(XenbusState::closing)) update();
}

void Handshake::lose() {
  if (!held_) return;
  disconnect();
  update();
}

void Handshake::forgive() {
  barred_ = false;
  if (std::exchange(accused_, false)) (void)store_.view().remove(error_node());
  owner_.forgiven();
}

// Where xenbus_dev_fatal of Linux says why it gave a device up.
std::string Handshake::error_node() const {
  return std::string(xenstore::key::kError) + "/" + directory_ + "/" + xenstore::key::kError;
}

// A first start-over goes at once; one after that waits, longer each time, until a connection was good.
bool Handshake::may_start_over() {
  if (retry_due_ || delay_ == 0ms) {
    retry_due_ = false;
    delay_ = std::max<std::chrono::milliseconds>(delay_, kFirstDelay);
    return true;
  }
  retry_later();
  return false;
}

void Handshake::retry_later() {
  delay_ = std::max<std::chrono::milliseconds>(delay_, kFirstDelay);
  owner_.say(Weight::info,
             "trying again in " +
                 std::to_string(std::chrono::duration_cast<std::chrono::seconds>(delay_).count()) + " s");
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

void Handshake::leave(std::function<void()> on_gone) {
  leaving_ = barred_ = true;
  on_gone_ = std::move(on_gone);
  update();
}

// Once for each thing that is waited for.
void Handshake::say_waiting(Self self) {
  const std::string what = self == Self::absent ? "the device: " + directory_ + " does not exist yet"
                                                : "the back end " + sight_.settings.backend + ", in state " +
                                                      std::string(xenstore::name(sight_.peer));
  if (what == said_) return;
  said_ = what;
  // The back end's answer to a farewell is nothing to wait for at length.
  const bool idle = self == Self::absent || self == Self::initialising || self == Self::connected;
  owner_.say(idle ? Weight::info : Weight::debug, "waiting for " + what);
}

}  // namespace hush::domu
