// hush-crowd VIFS PACKETS STALLED: one guest that drives all its vifs at once, as hard as it can, but one.
//
// Vifs 0 to VIFS - 1 are connected; number STALLED sends a ringful and from then on looks at nothing and
// posts no receive buffer. First the others send without end, until one has had PACKETS answers; then they
// receive what comes, until one has had PACKETS frames. A line each says how many each vif has had by then:
// that is its share. Then the stalled one, on a line of input, posts its buffers after all, and a last line
// says that a frame came.
//
// It only polls: no event is waited for, so what is measured is the back end's turns and not our wake-ups.
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <iostream>

#include "tests/hostile/lying_front.hpp"
#include "xenstore/number.hpp"

namespace {

using namespace hush;
using hostile::LyingFront;

constexpr std::uint32_t kMaxPackets = 1U << 30;
// PAUSE frames are for the next hop alone: a bridge takes them and sends them to nobody.
constexpr unsigned char kNextHopOnly[] = {0x01, 0x80, 0xc2, 0, 0, 0x01};

class Member {
 public:
  explicit Member(std::uint32_t device)
      : front_(device),
        tx_(netif::TxFront::create(front_.tx_page())),
        rx_(netif::RxFront::create(front_.rx_page())) {
    front_.set_destination(kNextHopOnly);
  }

  void connect() { front_.connect(); }
  void wait() { front_.wait_for({xenstore::XenbusState::connected}); }

  // Keeps the guest_tx ring full.
  void send() {
    while (tx_.room() > 0) tx_.put(front_.honest(0));
    if (tx_.unpublished() && tx_.publish()) front_.notify();
  }
  // Answers that came: all must be OKAY.
  void reap() {
    const auto pending = tx_.pending();
    if (!pending) throw std::runtime_error("guest_tx index impossible");
    for (std::uint32_t i = 0; i < *pending; ++i)
      if (tx_.take().status != netif::status::kOkay) throw std::runtime_error("an honest packet was refused");
    sent_ += *pending;
  }
  // Keeps the guest_rx ring full of buffers; they are all one page, whose content nobody reads.
  void post() {
    while (rx_.room() > 0) rx_.put(netif::RxRequest{0, 0, front_.data_gref(1)});
    if (rx_.unpublished() && rx_.publish()) front_.notify();
  }
  void receive() {
    const auto pending = rx_.pending();
    if (!pending) throw std::runtime_error("guest_rx index impossible");
    for (std::uint32_t i = 0; i < *pending; ++i) received_ += rx_.take().status > 0;
  }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  LyingFront front_;
  netif::TxFront tx_;
  netif::RxFront rx_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

using Crowd = std::vector<std::unique_ptr<Member>>;

// One round after the other over all but the stalled one, until one of them has enough.
template <class Round, class Count>
void drive(const Crowd& crowd, std::size_t stalled, Round round, Count enough) {
  for (bool done = false; !done;) {
    for (std::size_t i = 0; i < crowd.size(); ++i) {
      if (i == stalled) continue;
      round(*crowd[i]);
      done = done || enough(*crowd[i]);
    }
    sched_yield();  // the daemon may have no other processor
  }
}

void say(const char* what, const Crowd& crowd, std::uint64_t (Member::*count)() const) {
  std::cout << what;
  for (const auto& member : crowd) std::cout << ' ' << ((*member).*count)();
  std::cout << std::endl;
}

void run(std::uint32_t vifs, std::uint32_t packets, std::size_t stalled) {
  Crowd crowd;
  for (std::uint32_t i = 0; i < vifs; ++i) crowd.push_back(std::make_unique<Member>(i));
  for (const auto& member : crowd) member->connect();
  for (const auto& member : crowd) member->wait();
  if (stalled < crowd.size()) crowd[stalled]->send();

  const auto exchange = [](Member& m) {
    m.reap();
    m.send();
    m.receive();
    m.post();
  };
  drive(crowd, stalled, exchange, [&](const Member& m) { return m.sent() >= packets; });
  say("sent", crowd, &Member::sent);

  const auto take = [](Member& m) {
    m.receive();
    m.post();
  };
  drive(crowd, stalled, take, [&](const Member& m) { return m.received() >= packets; });
  say("received", crowd, &Member::received);

  std::cin.get();
  if (stalled >= crowd.size()) return;
  Member& late = *crowd[stalled];
  late.post();
  while (late.received() == 0) {
    late.receive();
    sched_yield();
  }
  std::cout << "the stalled one receives" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  using xenstore::parse_number;
  const auto vifs = argc == 4 ? parse_number<std::uint32_t>(argv[1], 1, 1024) : std::nullopt;
  const auto packets = argc == 4 ? parse_number<std::uint32_t>(argv[2], 1, kMaxPackets) : std::nullopt;
  const auto stalled = argc == 4 ? parse_number<std::uint32_t>(argv[3], 0, UINT32_MAX) : std::nullopt;
  if (!vifs || !packets || !stalled) {
    std::cerr << "usage: hush-crowd VIFS PACKETS STALLED\n";
    return 2;
  }
  try {
    run(*vifs, *packets, *stalled);
  } catch (const std::exception& e) {
    std::cerr << "hush-crowd: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
