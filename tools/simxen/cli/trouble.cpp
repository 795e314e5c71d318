// fault, delay, limit.
#include <charconv>
#include <iostream>
#include <limits>

#include "tools/simxen/cli/client.hpp"
#include "tools/simxen/cli/commands.hpp"
#include "tools/simxen/cli/failure.hpp"
#include "tools/simxen/cli/number.hpp"

namespace hush::simxen {
namespace {

std::string names_that_can_fail() {
  std::string names;
  for (const PrimitiveName& primitive : kPrimitiveNames)
    if (primitive.can_fail) names += (names.empty() ? "" : ", ") + std::string(primitive.name);
  return names;
}

struct Mode {
  const char* name;
  FaultMode mode;
  bool takes_value;
};
constexpr Mode kModes[] = {
    {"off", FaultMode::off, false},       {"once", FaultMode::once, false},
    {"always", FaultMode::always, false}, {"probability", FaultMode::probability, true},
    {"after", FaultMode::after, true},    {"every", FaultMode::every, true}};

const Mode& mode_named(const std::string& name) {
  for (const Mode& mode : kModes)
    if (name == mode.name) return mode;
  throw Failure("there is no fault mode '" + name +
                    "'; it is one of off, once, always, probability P, after N, every N",
                kBadArguments);
}

uint32_t parts_per_million(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value <= 1))
    throw Failure("the probability '" + text +
                      "' is not between 0 and 1; give one, as in 'simxen fault map probability 0.1'",
                  kBadArguments);
  return static_cast<uint32_t>(value * 1e6);
}

int show_faults(Client& client) {
  bool any = false;
  for (size_t i = 0; i < kPrimitives; ++i)
    for (FaultRule& rule : client.machine().faults[i].rules) {
      const FaultMode mode = rule.mode.load();
      if (mode == FaultMode::off) continue;
      any = true;
      std::cout << kPrimitiveNames[i].name << " " << kModes[static_cast<size_t>(mode)].name;
      if (mode == FaultMode::probability) std::cout << " " << rule.parts_per_million.load() / 1e6;
      if (mode == FaultMode::after || mode == FaultMode::every) std::cout << " " << rule.period.load();
      if (rule.domid.load() != kAnyDomain) std::cout << " --domain " << rule.domid.load();
      std::cout << ": failed " << rule.hits.load() << " calls\n";
    }
  if (!any) std::cout << "no faults are set\n";
  return 0;
}

}  // namespace

int fault(const World& world, const FaultOptions& options) {
  Client client(world);
  if (options.primitive.empty()) return show_faults(client);
  const auto primitive = primitive_named(options.primitive);
  if (options.primitive != "all" &&
      (!primitive || !kPrimitiveNames[static_cast<size_t>(*primitive)].can_fail))
    throw Failure("there is no primitive '" + options.primitive + "' that can fail; there are all, " +
                      names_that_can_fail(),
                  kBadArguments);
  const Mode& mode = mode_named(options.mode);
  if (mode.takes_value == options.value.empty())
    throw Failure(std::string("the fault mode '") + mode.name +
                      (mode.takes_value ? "' needs a value after it" : "' takes no value after it") +
                      "; as in 'simxen fault map every 10'",
                  kBadArguments);
  uint32_t ppm = 0;
  uint32_t count = 0;
  if (mode.mode == FaultMode::probability) ppm = parts_per_million(options.value);
  if (mode.mode == FaultMode::after) count = number(options.value, "number of calls", 0, 1'000'000'000);
  if (mode.mode == FaultMode::every) count = number(options.value, "number of calls", 1, 1'000'000'000);
  const uint32_t domid = options.domain.empty() ? kAnyDomain : client.domain(options.domain);
  for (size_t i = 0; i < kPrimitives; ++i) {
    const bool chosen = primitive ? static_cast<size_t>(*primitive) == i : kPrimitiveNames[i].can_fail;
    if (chosen && !client.machine().faults[i].set(mode.mode, domid, ppm, count))
      throw Failure("no more than " + std::to_string(kRulesPerPrimitive) + " rules fit for " +
                    std::string(kPrimitiveNames[i].name) + "; take some away with 'off'");
  }
  return 0;
}

int delay(const World& world, const std::string& what, const std::string& microseconds) {
  if (what != "events")
    throw Failure("only events can be delayed, not '" + what + "'; say 'simxen delay events MICROSECONDS'",
                  kBadArguments);
  const uint32_t value = number(microseconds, "delay in microseconds", 0, 60'000'000);
  Client(world).machine().event_delay_us.store(value);
  return 0;
}

int limit(const World& world, const std::string& pages, const std::string& domain) {
  const uint32_t value = number(pages, "number of pages", 0, kGrants);
  Client client(world);
  const uint32_t domid = domain.empty() ? kAnyDomain : client.domain(domain);
  client.ask({.op = Op::set_grant_limit, .domid = domid, .count = value}, "set the limit");
  return 0;
}

}  // namespace hush::simxen
