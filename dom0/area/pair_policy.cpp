#include "dom0/area/pair_policy.hpp"

#include <spdlog/fmt/fmt.h>

namespace hush::dom0 {
namespace {

using Cause = Decision::Cause;

std::string line(std::string_view direction, std::uint32_t from, const Decision& decision) {
  return fmt::format("{} {} -> {} KiB: {}", direction, from / 1024, decision.length / 1024, decision.reason);
}

}  // namespace

void PairPolicy::set(const PairRules& rules) {
  if (rules == rules_) return;
  rules_ = rules;
  tx_.set(rules.guest_tx);
  rx_.set(rules.guest_rx);
  failures_ = 0;
  retry_at_.reset();
}

void PairPolicy::set_share(const area::Sizes& share) {
  tx_.set_share(share.guest_tx);
  rx_.set_share(share.guest_rx);
}

std::optional<PairDecision> PairPolicy::look(Time now, Time interval, const area::DemandSample& guest_tx,
                                             const area::DemandSample& guest_rx, const area::Sizes& in_use) {
  in_use_ = in_use;
  tx_.learn(now, interval, guest_tx, in_use.guest_tx);
  rx_.learn(now, interval, guest_rx, in_use.guest_rx);
  if (asked_ || (retry_at_ && now < *retry_at_)) return std::nullopt;
  Decision tx = tx_.decide(now, in_use.guest_tx), rx = rx_.decide(now, in_use.guest_rx);
  if (tx.cause == Cause::none && rx.cause == Cause::none) {
    shrinks_since_.reset();
    return std::nullopt;
  }
  // What an admin says, and what the budget takes, is no guest's doing and does not wait.
  const bool bound = tx.cause == Cause::bound || rx.cause == Cause::bound;
  if (!bound && (now < not_before() || waits_for_the_other(now, tx, rx, in_use))) return std::nullopt;
  if (tx.cause == Cause::none) tx = tx_.decide(now, in_use.guest_tx, true);
  if (rx.cause == Cause::none) rx = rx_.decide(now, in_use.guest_rx, true);
  shrinks_since_.reset();
  PairDecision decision{.next = {tx.length, rx.length}, .reason = {}};
  asked_ = Asked{in_use, decision.next, tx.cause, rx.cause};
  if (tx.cause != Cause::none) decision.reason = line("guest_tx", in_use.guest_tx, tx);
  if (rx.cause != Cause::none)
    decision.reason += (decision.reason.empty() ? "" : "; ") + line("guest_rx", in_use.guest_rx, rx);
  return decision;
}

// Traffic ends both ways at about the same time: one switch for both, where the other may shrink soon.
bool PairPolicy::waits_for_the_other(Time now, const Decision& tx, const Decision& rx,
                                     const area::Sizes& in_use) {
  const bool tx_may = tx.cause == Cause::none && tx_.may_shrink_soon(now, in_use.guest_tx);
  const bool rx_may = rx.cause == Cause::none && rx_.may_shrink_soon(now, in_use.guest_rx);
  if (tx.cause == Cause::stalls || rx.cause == Cause::stalls || !(tx_may || rx_may)) return false;
  if (!shrinks_since_) shrinks_since_ = now;
  return now - *shrinks_since_ < (tx_may ? tx_ : rx_).patience() / 2;
}

Time PairPolicy::credit_at() const {
  return *paid_until_ - (kSwitchesInARow - 1) * kCooldownsOfASwitch * rules_.cooldown;
}

Time PairPolicy::not_before() const {
  Time at = Time::min();
  if (retry_at_) at = std::max(at, *retry_at_);
  if (calm_until_) at = std::max(at, *calm_until_);
  if (paid_until_) at = std::max(at, credit_at());
  return at;
}

void PairPolicy::on_switched(Time now, const area::Sizes& in_use) {
  const Asked asked = asked_.value_or(Asked{in_use_, in_use, Cause::none, Cause::none});
  asked_.reset();
  tx_.on_switched(now, asked.before.guest_tx, in_use.guest_tx, asked.guest_tx);
  rx_.on_switched(now, asked.before.guest_rx, in_use.guest_rx, asked.guest_rx);
  in_use_ = in_use;
  const auto of_traffic = [](Cause cause) { return cause == Cause::stalls || cause == Cause::held_less; };
  if (of_traffic(asked.guest_tx) || of_traffic(asked.guest_rx)) {
    calm_until_ = now + rules_.cooldown;
    paid_until_ = std::max(paid_until_.value_or(now), now) + kCooldownsOfASwitch * rules_.cooldown;
  }
  if (in_use.guest_tx < asked.next.guest_tx || in_use.guest_rx < asked.next.guest_rx) return on_failed(now);
  failures_ = 0;
  retry_at_.reset();
}

void PairPolicy::on_failed(Time now) {
  asked_.reset();
  // A cooldown of nothing must not make it ask a peer that refuses at each look.
  const Time first = std::max<Time>(rules_.cooldown, std::chrono::milliseconds(100));
  Time wait = first;
  for (unsigned i = 0; i < failures_ && wait < kMostBackOff; ++i) wait *= 2;
  ++failures_;
  retry_at_ = now + std::min(wait, std::max(kMostBackOff, first));
}

}  // namespace hush::dom0
