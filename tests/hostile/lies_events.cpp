// H27 and XSA-331: event channels that are not there, that storm, or that go while they storm.
#include <thread>

#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

// Notifies with nothing to say for as long as the back end is at other work.
void storm(LyingFront& front) {
  constexpr int kEvents = 100000;
  for (int i = 0; i < kEvents; ++i) front.notify();
}

// The channel is closed and another one made, each time with events on it and with an answer owed.
void rebind_under_storm(LyingFront& front) {
  constexpr int kRounds = 30;
  for (int round = 0; round < kRounds; ++round) {
    front.send({front.honest(1)});
    for (int i = 0; i < 100; ++i) front.notify();
    front.rebind();
    front.reconnect();
  }
}

}  // namespace

Lies event_lies() {
  using enum Outcome;
  namespace key = xenstore::key;
  return {
      {"event-channel-unbound", cut_off, "bind event channel", "bind-error-ignored",
       forged(key::kEventChannel, "100000")},
      {"event-channel-of-the-store", cut_off, "bind event channel", "bind-error-ignored",
       forged(key::kEventChannel, "1")},
      {"event-channel-zero", cut_off, "not a number", "store-port-unchecked",
       forged(key::kEventChannel, "0")},
      {"event-channel-too-large", cut_off, "not a number", "store-port-unchecked",
       forged(key::kEventChannel, "131072")},
      {"event-channel-text", cut_off, "not a number", "number-accepts-a-tail",
       forged(key::kEventChannel, "7x")},
      {"event-channel-half-split", cut_off, "is missing", "store-missing-as-zero",
       [](LyingFront& front) {
         front.connect({{key::kEventChannelTx, std::to_string(front.port())}});
       }},
      {"event-channel-twice", cut_off, "bind event channel", "bind-error-ignored",
       [](LyingFront& front) {
         const std::string port = std::to_string(front.port());
         front.connect({{key::kEventChannelTx, port}, {key::kEventChannelRx, "100001"}});
       }},
      {"event-storm", served, "", "events-stay-masked", connected(storm)},
      {"event-rebind-storm", served, "", "unbind-forgotten", connected(rebind_under_storm)},
  };
}

}  // namespace hush::hostile
