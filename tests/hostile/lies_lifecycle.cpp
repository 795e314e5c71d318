// H12, H29, H30: a front end that comes and goes as it likes. Each ends with an honest connection.
#include <cstdlib>
#include <random>

#include "tests/hostile/lie.hpp"
#include "xenstore/number.hpp"

namespace hush::hostile {
namespace {

using xenstore::XenbusState;

// $HUSH_ROUNDS makes the long ones longer: a thousand rounds and more are for a night.
unsigned rounds(unsigned usual) {
  const char* text = std::getenv("HUSH_ROUNDS");
  return text ? xenstore::parse_number<unsigned>(text, 1, 1000000).value_or(usual) : usual;
}

// A packet that costs the vif, the close, a new connection: again and again.
void malformed_and_again(LyingFront& front) {
  for (unsigned i = 0; i < rounds(100); ++i) {
    front.send({slot(front, kMore, 100)});
    front.wait_for({XenbusState::closing, XenbusState::closed});
    front.reconnect();
  }
}
// Up and down without a word in between.
void toggle(LyingFront& front) {
  for (unsigned i = 0; i < rounds(100); ++i) {
    front.say_state(to_text(XenbusState::initialising));
    front.connect();
  }
  front.reconnect();
}
// Any state after any other, numbers that are none, and text.
void random_states(LyingFront& front) {
  std::minstd_rand random(7);
  const char* const words[] = {"", "-1", "04", "4294967300", "connected", "4 "};
  for (unsigned i = 0; i < rounds(2000); ++i) {
    const auto pick = random() % 16;
    front.say_state(pick < 10 ? std::to_string(pick) : words[pick - 10]);
  }
  front.say_state(to_text(XenbusState::closing));
  front.reconnect();
}
// The same state over and over: each write is an event at the back end (XSA-349).
void rewrite_state(LyingFront& front) {
  for (unsigned i = 0; i < rounds(5000); ++i) front.say_state(to_text(XenbusState::connected));
}
void remove_state(LyingFront& front) {
  must(front.store().view().remove(front.directory() + "/" + xenstore::key::kState), "remove");
  front.wait_for({XenbusState::closed});
  front.reconnect();
}

}  // namespace

Lies lifecycle_lies() {
  using enum Outcome;
  return {
      {"malformed-and-again", served, "", "fault-not-final", connected(malformed_and_again)},
      {"up-and-down", served, "", "fsm-kexec-ignored", connected(toggle)},
      {"random-states", served, "", "fsm-kexec-ignored", connected(random_states)},
      {"state-rewritten", served, "", "store-events-one-by-one", connected(rewrite_state)},
      {"state-removed", served, "", "fsm-unknown-ignored", connected(remove_state)},
  };
}

}  // namespace hush::hostile
