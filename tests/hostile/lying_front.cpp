#include "tests/hostile/lying_front.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "xenstore/keys.hpp"

namespace hush::hostile {
namespace {
constexpr std::uint32_t kDataPages = 4;
}

LyingFront::LyingFront(std::uint32_t device)
    : store_(must(xenstore::Client::open(loop_), "xenstore")), directory_(xenstore::frontend_path(device)) {
  // The device may not be there yet: wait for its directory.
  must(store_->watch(directory_, [](const std::string&) {}), "watch");
  for (;;) {
    auto settings = xenstore::read_frontend_settings(store_->view(), directory_);
    if (settings) {
      backend_ = settings->backend;
      peer_ = settings->backend_id;
      break;
    }
    settle();
  }
  for (const char* key :
       {xenstore::key::kState, xenstore::key::kHushAreaTarget, xenstore::key::kHushAreaAnswer})
    must(store_->watch(backend_ + "/" + key, [](const std::string&) {}), "watch");
  shares_ = std::make_unique<xen::GrantShare>(must(xen::GrantShare::open(), "gntalloc"));
  channels_ = std::make_unique<xen::EventChannels>(must(xen::EventChannels::open(), "evtchn"));
  watcher_ = std::make_unique<event::FdWatcher>(loop_, channels_->fd(), [this] {
    while (const auto port = channels_->pending()) channels_->unmask(*port);
  });
  watcher_->on();
  restart();
}

void LyingFront::restart() {
  // Through Closing, so that the InitWait below is an answer to this Initialising and not one from before,
  // behind which a connection to the old rings is still on its way. A new device has nothing on its way, and
  // its toolstack waits for 2.
  if (must(xenstore::read_state(store_->view(), directory_), "state") !=
      xenstore::XenbusState::initialising) {
    say_state(to_text(xenstore::XenbusState::closing));
    wait_for({xenstore::XenbusState::closing, xenstore::XenbusState::closed});
    say_state(to_text(xenstore::XenbusState::initialising));
  }
  wait_for({xenstore::XenbusState::init_wait});
  // Let go of by the back end: it has closed since, or never was connected.
  tx_ring_ = must(shares_->share(peer_, 1, true), "share");
  rx_ring_ = must(shares_->share(peer_, 1, true), "share");
  data_ = must(shares_->share(peer_, kDataPages, true), "share");
  auto* frame = static_cast<unsigned char*>(data_.base());
  // To a group that no bridge forwards (802.1D): a flood of ours is not to fill a neighbour's TAP by the
  // bridge's doing. From 02:00:00:00:00:66, an experimental type.
  const unsigned char head[] = {0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 0x66, 0x88, 0xb5};
  std::memcpy(frame, head, sizeof head);
  tx_ = std::make_unique<netif::TxFront>(netif::TxFront::create(tx_page()));
  rx_ = std::make_unique<netif::RxFront>(netif::RxFront::create(rx_page()));
  rebind();
}

void LyingFront::rebind() {
  if (port_ != EvtchnPort{}) channels_->unbind(port_);
  port_ = must(channels_->alloc_unbound(peer_), "alloc_unbound");
}

xen::SharedPages LyingFront::share_pages(std::uint32_t count, bool writable) {
  return must(shares_->share(peer_, count, writable), "share");
}

std::string LyingFront::area_refusal() {
  return must(xenstore::read_area_answer(store_->view(), backend_), "the answer to an area").refused;
}

netif::TxRequest LyingFront::honest(std::uint16_t id) const {
  return {data_gref(0), 0, 0, id, 60};
}

void LyingFront::connect(const std::vector<std::pair<std::string, std::string>>& forged) {
  xenstore::Features features;
  features.sg = features.gso_tcpv4 = features.gso_tcpv6 = features.ipv6_csum = true;
  const xenstore::FrontendOffer offer{{{Gref{tx_ring_.grefs()[0]}, Gref{rx_ring_.grefs()[0]}, port_, port_}},
                                      features};
  must(store_->transact([&](xenstore::View& view) -> Result<void> {
    if (auto done = xenstore::write_frontend_offer(view, directory_, offer); !done) return done;
    for (const auto& [key, value] : forged)
      if (auto done = view.write(directory_ + "/" + key, value); !done) return done;
    return view.write(directory_ + "/" + xenstore::key::kState, to_text(xenstore::XenbusState::connected));
  }),
       "publish");
}

void LyingFront::reconnect() {
  restart();
  connect();
  wait_for({xenstore::XenbusState::connected});
}

bool LyingFront::until(const std::function<bool()>& holds) {
  // Wide: in a guest of an emulated host a connection has taken twenty seconds.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    loop_.restart();
    loop_.run_one_for(std::chrono::milliseconds(2));
  }
  loop_.restart();
  return true;
}

std::string LyingFront::backend_says(const char* key) {
  return must(store_->view().read(backend_ + "/" + key), key).value_or("");
}

void LyingFront::say_state(const std::string& text) {
  must(store_->view().write(directory_ + "/" + xenstore::key::kState, text), "state");
}

void LyingFront::close() {
  must(xenstore::switch_state(*store_, directory_, xenstore::XenbusState::closed), "close");
}

xenstore::XenbusState LyingFront::state() {
  return must(xenstore::read_state(store_->view(), backend_), "read the back end's state");
}

xenstore::XenbusState LyingFront::wait_for(std::vector<xenstore::XenbusState> states) {
  for (;;) {
    const auto now = state();
    if (std::find(states.begin(), states.end(), now) != states.end()) return now;
    settle();
  }
}

void LyingFront::send(const std::vector<netif::TxRequest>& requests) {
  for (const auto& request : requests) tx_->put(request);
  (void)tx_->publish();
  notify();
}

void LyingFront::post(const std::vector<netif::RxRequest>& requests) {
  for (const auto& request : requests) rx_->put(request);
  (void)rx_->publish();
  notify();
}

std::vector<netif::TxResponse> LyingFront::tx_answers(std::size_t count) {
  std::vector<netif::TxResponse> answers;
  while (answers.size() < count) {
    const auto pending = tx_->pending();
    if (!pending) throw std::runtime_error("the back end's guest_tx index is impossible");
    for (std::uint32_t i = 0; i < *pending; ++i) answers.push_back(tx_->take());
    if (answers.size() >= count || tx_->final_check()) continue;
    if (state() != xenstore::XenbusState::connected) break;
    settle();
  }
  return answers;
}

void LyingFront::settle() {
  loop_.run_one();
}

}  // namespace hush::hostile
