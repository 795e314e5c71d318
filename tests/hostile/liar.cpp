// hush-liar DEVICE [LIE|FAMILY...]: connects as a front end and tells a lie, and says what became of it;
// then, on the same device, the next one. The name of a family stands for all its lies; without a name, all
// of them.
//
// A line a lie: "LIE<tab>OUTCOME", where OUTCOME is "cut off", "answered ERROR", "refused", "goes on" or
// "served" (lie.hpp); where it is not the deserved one, "LIE<tab>OUTCOME, expected ..." and the exit status
// is 1 in the end. hush-liar
// --list prints "FAMILY LIE OUTCOME REASON MUTANT" a line, tabs between.
#include <algorithm>
#include <iostream>
#include <set>
#include <stdexcept>

#include "tests/hostile/lie.hpp"
#include "xenstore/number.hpp"

namespace {

using namespace hush;
using namespace hush::hostile;
using xenstore::XenbusState;

struct Family {
  const char* name;
  Lies lies;
};
const std::vector<Family>& families() {
  static const std::vector<Family> kAll{{"indexes", index_lies()}, {"shapes", shape_lies()},
                                        {"grants", grant_lies()},  {"events", event_lies()},
                                        {"store", store_lies()},   {"lifecycle", lifecycle_lies()},
                                        {"areas", area_lies()},    {"switch", switch_lies()}};
  return kAll;
}

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::cut_off:
      return "cut off";
    case Outcome::error:
      return "answered ERROR";
    case Outcome::refused:
      return "refused";
    case Outcome::goes_on:
      return "goes on";
    case Outcome::served:
      return "served";
  }
  return "";
}

// What became of the lie, as the liar sees it.
Outcome observe(LyingFront& front, const Lie& lie) {
  if (lie.outcome == Outcome::cut_off) {
    front.wait_for({XenbusState::closing, XenbusState::closed});
    return Outcome::cut_off;
  }
  // The lie itself has sent a frame through the area, and seen it taken.
  if (lie.outcome == Outcome::goes_on)
    return front.state() == XenbusState::connected ? Outcome::goes_on : Outcome::cut_off;
  // Then the vif must live: an honest packet is answered, after what was refused before it.
  constexpr std::uint16_t kHonestId = 4242;
  front.send({front.honest(kHonestId)});
  bool refused = false;
  for (;;) {
    const auto answers = front.tx_answers(1);
    if (answers.empty()) return Outcome::cut_off;
    for (const auto& answer : answers) {
      if (answer.id == kHonestId) {
        if (answer.status != netif::status::kOkay) throw std::runtime_error("an honest packet was refused");
        if (lie.outcome == Outcome::refused)
          return front.area_refusal().find(lie.reason) != std::string::npos ? Outcome::refused
                                                                            : Outcome::served;
        return refused ? Outcome::error : Outcome::served;
      }
      if (answer.status < 0) refused = true;
    }
  }
}

bool tell(LyingFront& front, const Lie& lie) {
  lie.tell(front);
  const Outcome seen = observe(front, lie);
  std::cout << lie.name << '\t' << name(seen);
  if (seen != lie.outcome) std::cout << ", expected " << name(lie.outcome);
  std::cout << std::endl;
  return seen == lie.outcome;
}

// The lies of these names and families, all without any; none where a name is nobody's.
std::vector<const Lie*> chosen(const std::vector<std::string>& names) {
  const std::set<std::string> wanted(names.begin(), names.end());
  std::set<std::string> nobodys = wanted;
  std::vector<const Lie*> found;
  for (const Family& family : families())
    for (const Lie& lie : family.lies) {
      if (wanted.empty() || wanted.contains(lie.name) || wanted.contains(family.name)) found.push_back(&lie);
      nobodys.erase(lie.name);
      nobodys.erase(family.name);
    }
  if (!nobodys.empty()) found.clear();
  return found;
}

int run(std::uint32_t device, const std::vector<const Lie*>& lies) {
  LyingFront front(device);
  bool deserved = true;
  for (std::size_t i = 0; i < lies.size(); ++i) {
    if (i > 0) front.restart();
    deserved &= tell(front, *lies[i]);
  }
  front.close();
  return deserved ? 0 : 1;
}

void list() {
  for (const Family& family : families())
    for (const Lie& lie : family.lies)
      std::cout << family.name << '\t' << lie.name << '\t' << name(lie.outcome) << '\t' << lie.reason << '\t'
                << lie.mutant << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words == std::vector<std::string>{"--list"}) return list(), 0;
  const auto device =
      words.empty() ? std::nullopt : xenstore::parse_number<std::uint32_t>(words[0], 0, xenstore::kMaxHandle);
  const auto lies = device ? chosen({words.begin() + 1, words.end()}) : std::vector<const Lie*>();
  if (lies.empty()) {
    std::cerr << "usage: hush-liar DEVICE [LIE|FAMILY...] | hush-liar --list\n";
    return 2;
  }
  try {
    return run(*device, lies);
  } catch (const std::exception& e) {
    std::cerr << "hush-liar: " << e.what() << '\n';
    return 1;
  }
}
