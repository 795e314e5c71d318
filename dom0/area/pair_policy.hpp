// When the area of a queue gives way to another, and of which rings: both directions in one switch, and not
// more often than its guest may make this host work. Pure, as SizePolicy.
//
// A decision is asked of the peer; then comes exactly one of on_switched(), on_failed(), on_postponed().
// Until then, and for a while after it, there is no other.
//
// Control thread.
#pragma once
#include <optional>
#include <string>

#include "dom0/area/area_bytes.hpp"
#include "dom0/area/size_policy.hpp"

namespace hush::dom0 {

struct PairRules {
  SizeRules guest_tx, guest_rx;
  Time cooldown = std::chrono::seconds(1);  // between two switches for the traffic's sake
  bool operator==(const PairRules&) const = default;
};

// Whatever a guest sends, it makes this many switches in a row, a cooldown apart, and then one each so many
// cooldowns: a step of the load takes two at most, so two steps in a row are followed at once, and steps of
// ten cooldowns each for ever.
inline constexpr int kSwitchesInARow = 4;
inline constexpr int kCooldownsOfASwitch = 5;
// After a switch that failed the next one waits for a cooldown, then twice as long each time, up to this: a
// guest without memory is asked again soon after it has some, and one that never follows costs nothing.
inline constexpr Time kMostBackOff = std::chrono::minutes(1);

struct PairDecision {
  area::Sizes next;
  std::string reason;  // of both directions, one line
};

class PairPolicy {
 public:
  explicit PairPolicy(const PairRules& rules = {}) { set(rules); }
  // Rules that changed hold at once; a peer that failed before is asked again.
  void set(const PairRules& rules);
  // The most that the budget gives each ring now, bytes.
  void set_share(const area::Sizes& share);

  // The samples are of the interval that ended now, in_use is the area in use. Called at even intervals
  // (50 ms), while a switch is under way too.
  std::optional<PairDecision> look(Time now, Time interval, const area::DemandSample& guest_tx,
                                   const area::DemandSample& guest_rx, const area::Sizes& in_use);

  // An area of these rings is in use: the one that was decided on or, where the peer had no more, a smaller
  // one; also without a decision.
  void on_switched(Time now, const area::Sizes& in_use);
  // It was refused, declined, not answered, or could not be mapped.
  void on_failed(Time now);
  // The host has no room for it now: nothing was asked, and the next look may decide again.
  void on_postponed() { asked_.reset(); }

  // For the budget: what it would take if that were endless, and what is its in any case.
  [[nodiscard]] area::Sizes wanted(Time now) const { return {tx_.wanted(now), rx_.wanted(now)}; }
  [[nodiscard]] area::Sizes minimum() const { return {tx_.minimum(), rx_.minimum()}; }
  // What both come down to when nothing comes any more.
  [[nodiscard]] area::Sizes rests_at() const { return {tx_.rests_at(), rx_.rests_at()}; }
  // What is decided and not done yet.
  [[nodiscard]] std::optional<area::Sizes> pending() const {
    return asked_ ? std::optional(asked_->next) : std::nullopt;
  }
  // No switch before this one; a moment that is past: one may come.
  [[nodiscard]] Time not_before() const;

 private:
  struct Asked {
    area::Sizes before, next;
    Decision::Cause guest_tx, guest_rx;
  };
  [[nodiscard]] bool waits_for_the_other(Time now, const Decision& tx, const Decision& rx,
                                         const area::Sizes& in_use);
  [[nodiscard]] Time credit_at() const;

  PairRules rules_;
  SizePolicy tx_, rx_;
  std::optional<Asked> asked_;
  area::Sizes in_use_;
  unsigned failures_ = 0;           // since the last success
  std::optional<Time> retry_at_;    // after a failure
  std::optional<Time> calm_until_;  // the cooldown
  std::optional<Time> paid_until_;  // when all switches so far are paid for
  std::optional<Time> shrinks_since_;
};

}  // namespace hush::dom0
