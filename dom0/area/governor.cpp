#include "dom0/area/governor.hpp"

#include <spdlog/spdlog.h>

#include "dom0/area/area_bytes.hpp"

namespace hush::dom0 {
namespace {

Time now_is() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::string in_kib(const area::Sizes& sizes) {
  return fmt::format("{} + {} KiB", sizes.guest_tx / 1024, sizes.guest_rx / 1024);
}

bool is_empty(const PairSample& sample) {
  return sample.guest_tx.bytes + sample.guest_rx.bytes + sample.guest_tx.stalls + sample.guest_rx.stalls == 0;
}

// Who gets what it wants is not held to it: what it wants changes before the next look.
area::Sizes limits_of(const area::Sizes& share, const area::Sizes& wanted) {
  const auto limit = [](std::uint32_t got, std::uint32_t asked) {
    return got < asked ? got : area::kMaxRing;
  };
  return {limit(share.guest_tx, wanted.guest_tx), limit(share.guest_rx, wanted.guest_rx)};
}

}  // namespace

void AreaGovernor::join(PairId id, Pair pair) {
  const PairRules rules = pair.rules;
  pairs_.insert_or_assign(id, Entry{.pair = std::move(pair),
                                    .policy = PairPolicy(rules),
                                    .last_reason = {},
                                    .pending_reason = {},
                                    .last_failure = {}});
  arm();
}

void AreaGovernor::leave(PairId id) {
  pairs_.erase(id);
  look_soon();  // what it had may be wanted by others
}

void AreaGovernor::set_rules(PairId id, const PairRules& rules) {
  const auto found = pairs_.find(id);
  if (found == pairs_.end()) return;
  found->second.policy.set(rules);
  stirs(id);
}

void AreaGovernor::stirs(PairId id) {
  const auto found = pairs_.find(id);
  if (found == pairs_.end() || found->second.active) return;
  found->second.active = true;
  found->second.looked_at = {};
  arm();
}

void AreaGovernor::look_soon() {
  for (auto& [id, entry] : pairs_)
    if (!entry.active) {
      entry.active = true;
      entry.looked_at = {};
    }
  arm();
}

void AreaGovernor::ended(PairId id, SwitchEnd end, const std::string& why) {
  const auto found = pairs_.find(id);
  if (found == pairs_.end()) return;
  Entry& entry = found->second;
  const area::Header& header = entry.pair.areas->header();
  const Time now = now_is();
  if (end == SwitchEnd::moved) {
    ++entry.switches;
    entry.last_reason = std::exchange(entry.pending_reason, {});
    entry.last_failure.clear();
    spdlog::info("{}: goes on in an area of {}, generation {}: {}", entry.pair.name,
                 in_kib(area::sizes_of(header)), header.generation, entry.last_reason);
    entry.policy.on_switched(now, area::sizes_of(header));
  } else {
    ++entry.failures;
    entry.pending_reason.clear();
    // A guest without memory is asked again and again, and says the same.
    spdlog::log(why == entry.last_failure ? spdlog::level::debug : spdlog::level::warn,
                "{}: stays in its area of {}: {}", entry.pair.name, in_kib(area::sizes_of(header)), why);
    entry.last_failure = why;
    entry.policy.on_failed(now);
  }
  stirs(id);
}

void AreaGovernor::arm() {
  if (armed_) return;
  armed_ = true;
  timer_.expires_after(kLookEvery);
  timer_.async_wait([this](const boost::system::error_code& stopped) {
    if (stopped) return;
    armed_ = false;
    tick();
  });
}

void AreaGovernor::tick() {
  const Time now = now_is();
  std::vector<std::pair<std::size_t, PairDecision>> decisions;
  std::size_t which = 0;
  for (auto& [id, entry] : pairs_) {
    if (entry.active)
      if (auto decision = ask(entry, now)) decisions.emplace_back(which, std::move(*decision));
    ++which;
  }
  const auto holdings = this->holdings();
  const auto shares = share(budget_of(settings_.area_budget().bytes, holdings), holdings);
  bool active = false;
  which = 0;
  for (auto& [id, entry] : pairs_) {
    entry.policy.set_share(limits_of(shares[which], holdings[which].wanted));
    active = active || entry.active;
    ++which;
  }
  for (const auto& [at, decision] : decisions)
    advise(std::next(pairs_.begin(), static_cast<std::ptrdiff_t>(at))->second, at, decision);
  if (active) arm();
}

std::optional<PairDecision> AreaGovernor::ask(Entry& entry, Time now) {
  const PairSample sample = entry.pair.sample();
  const Time interval = entry.looked_at == Time{} ? Time(kLookEvery) : now - entry.looked_at;
  entry.looked_at = now;
  auto decision = entry.policy.look(now, interval, sample.guest_tx, sample.guest_rx,
                                    area::sizes_of(entry.pair.areas->header()));
  if (!decision && is_empty(sample) && is_at_rest(entry)) entry.active = false;
  return decision;
}

// Nothing came, and nothing is left to do about it: it has what is least, or what an admin said. What it
// wants now says nothing of that: for a while after its traffic has ended, it wants what that took.
bool AreaGovernor::is_at_rest(const Entry& entry) {
  const area::Sizes in_use = area::sizes_of(entry.pair.areas->header());
  return !entry.pair.areas->switching() && !entry.policy.pending() && entry.policy.rests_at() == in_use;
}

void AreaGovernor::advise(Entry& entry, std::size_t which, const PairDecision& decision) {
  const auto holdings = this->holdings();
  const area::Sizes in_use = area::sizes_of(entry.pair.areas->header());
  const area::Sizes minimum = entry.policy.minimum();
  const auto least = [](std::uint32_t next, std::uint32_t now, std::uint32_t min) {
    return next < now ? std::min(next, min) : now;
  };
  const auto sizes =
      fitting(budget_of(settings_.area_budget().bytes, holdings), holdings, which, decision.next,
              {least(decision.next.guest_tx, in_use.guest_tx, minimum.guest_tx),
               least(decision.next.guest_rx, in_use.guest_rx, minimum.guest_rx)});
  if (!sizes || *sizes == in_use) {
    entry.last_failure = fmt::format("the budget has no room now for {}", in_kib(decision.next));
    return entry.policy.on_postponed();
  }
  if (!entry.pair.areas->advise(*sizes)) return entry.policy.on_failed(now_is());
  entry.pending_reason = decision.reason;
  spdlog::debug("{}: advised to {}: {}", entry.pair.name, in_kib(*sizes), decision.reason);
}

std::vector<Holding> AreaGovernor::holdings() const {
  const Time now = now_is();
  std::vector<Holding> all;
  all.reserve(pairs_.size());
  for (const auto& [id, entry] : pairs_) {
    const auto& advised = entry.pair.areas->advised();
    all.push_back({.in_use = std::uint64_t{entry.pair.areas->header().pages} * kPageSize,
                   .under_way = advised ? area_bytes(advised->rings) : 0,
                   .wanted = entry.policy.wanted(now),
                   .minimum = entry.policy.minimum()});
  }
  return all;
}

std::optional<area::Sizes> AreaGovernor::first(const area::Sizes& wanted, const area::Sizes& minimum) const {
  const auto all = holdings();
  return room_for_new(budget_of(settings_.area_budget().bytes, all), all, wanted, minimum);
}

bool AreaGovernor::has_room(std::uint64_t bytes) const {
  return taken_bytes() + bytes <= settings_.area_budget().bytes;
}

std::uint64_t AreaGovernor::reserved_bytes() const {
  return budget_of(settings_.area_budget().bytes, holdings()).reserve;
}

std::uint64_t AreaGovernor::taken_bytes() const {
  return taken(holdings());
}

AreaGovernor::Look AreaGovernor::look_at(PairId id, const Entry& entry) const {
  const auto& areas = *entry.pair.areas;
  const auto& advised = areas.advised();
  return {.id = id,
          .name = entry.pair.name,
          .in_use = area::sizes_of(areas.header()),
          .generation = areas.header().generation,
          .bytes = std::uint64_t{areas.pages()} * kPageSize,
          .target = advised ? std::optional(advised->rings) : std::nullopt,
          .wanted = entry.policy.wanted(now_is()),
          .minimum = entry.policy.minimum(),
          .switches = entry.switches,
          .failures = entry.failures,
          .last_reason = entry.last_reason,
          .pending_reason = entry.pending_reason,
          .last_failure = entry.last_failure};
}

std::vector<AreaGovernor::Look> AreaGovernor::look() const {
  std::vector<Look> looks;
  for (const auto& [id, entry] : pairs_) looks.push_back(look_at(id, entry));
  return looks;
}

std::optional<AreaGovernor::Look> AreaGovernor::look(PairId id) const {
  const auto found = pairs_.find(id);
  if (found == pairs_.end()) return std::nullopt;
  return look_at(id, found->second);
}

}  // namespace hush::dom0
