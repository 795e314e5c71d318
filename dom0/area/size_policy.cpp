#include "dom0/area/size_policy.hpp"

#include <spdlog/fmt/fmt.h>

namespace hush::dom0 {
namespace {

constexpr unsigned kPercent = 95;
// What was before the first sample was not too short for that long.
constexpr Time kLongAgo = std::chrono::hours(24);

unsigned index_of(std::uint32_t length) {
  return static_cast<unsigned>(std::bit_width(std::max(length, area::kMinRing) / area::kMinRing)) - 1;
}

std::string in_kib(std::uint64_t bytes) {
  return bytes < 1024 ? fmt::format("{} bytes", bytes) : fmt::format("{} KiB", bytes / 1024);
}

std::uint64_t rate(std::uint64_t bytes, Time in) {  // a second
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(in).count();
  return bytes * std::micro::den / static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 1));
}

std::uint64_t stalls_of_bursts(const area::DemandSample& sample) {
  std::uint64_t stalls = 0;
  for (const auto& of : sample.bursts) stalls += of.stalls;
  return stalls;
}

}  // namespace

std::uint32_t SizePolicy::minimum() const {
  return rules_.fixed != 0 ? std::min(fixed(), floor()) : floor();
}

SizePolicy::Half SizePolicy::window() const {
  Half all = older_;
  all.sum += newer_.sum;
  all.stream_stalls += newer_.stream_stalls;
  all.covers += newer_.covers;
  return all;
}

void SizePolicy::learn(Time now, Time interval, const area::DemandSample& sample, std::uint32_t length) {
  if (!begun_) {
    begun_ = true;
    short_at_.fill(now - kLongAgo);
    was_short(now, length);  // a ring is given the time that it takes to be found too long
  }
  if (skip_) {
    skip_ = false;
    return;
  }
  if (newer_.covers >= kWindow / 2) {
    older_ = newer_;
    newer_ = {};
  }
  bytes_a_second_ = rate(sample.bytes, interval);
  streams_ = is_stream(sample);
  area::DemandSample counted = sample;
  if (streams_) {
    newer_.stream_stalls += sample.stalls;
    counted.bursts = {};
  }
  newer_.covers += interval;
  newer_.sum += counted;
  was_short(now, needed(sample, length));
  was_short(now, growth(length, kStallsToGrow).length);
}

bool SizePolicy::is_stream(const area::DemandSample& sample) const {
  if (sample.saturated != 0) return true;
  const std::uint64_t burst = burst_percentile(sample, kPercent);
  return burst >= kStreamRings * threshold() ||
         (burst != 0 && burst * kStreamPiecesASecond <= bytes_a_second_);
}

// The length that would have been enough in the interval; at most the one in use, or it is growth().
std::uint32_t SizePolicy::needed(const area::DemandSample& sample, std::uint32_t length) const {
  const std::uint32_t stream = stream_length(window().sum.longest, bytes_a_second_);
  const std::uint32_t most = std::min(streams_ ? stream : length, length);
  if (sample.stalls != 0) return most;
  // What fitted needs no more than it took at most, and half as much again.
  const std::uint32_t fitted = sample.high_water == 0 ? 0 : candidate_length(sample.high_water);
  return std::min(std::max(fitted, fast_length(bytes_a_second_)), most);
}

// The candidate of the method, where the ring in use is too short.
SizePolicy::Growth SizePolicy::growth(std::uint32_t length, std::uint64_t stalls_to_grow) const {
  const Half past = window();
  Growth found;
  // In the last interval: of a stream that is over nothing follows.
  if (streams_) {
    const std::uint32_t enough = stream_length(past.sum.longest, bytes_a_second_);
    if (past.stream_stalls >= stalls_to_grow && enough > length)
      found = {enough, fmt::format("a stream of frames of up to {} bytes found no room {} times",
                                   past.sum.longest, past.stream_stalls)};
    else if (fast_length(bytes_a_second_) > length)
      found = {fast_length(bytes_a_second_), fmt::format("a stream of {} MB/s", bytes_a_second_ / 1'000'000)};
  }
  const std::uint64_t bursts = burst_percentile(past.sum, kPercent), stalls = stalls_of_bursts(past.sum);
  const bool is_long = bursts > length - length / 4;
  if (stalls < (is_long ? std::min(stalls_to_grow, kStallsOfLongBursts) : stalls_to_grow)) return found;
  // A ring that stalls is too short, whatever its bursts say: there were others, or a long frame at its end.
  const std::uint32_t candidate = std::max(candidate_length(bursts), 2 * length);
  if (candidate > found.length)
    found = {candidate, fmt::format("bursts of {} found no room {} times", in_kib(bursts), stalls)};
  return found;
}

void SizePolicy::was_short(Time now, std::uint32_t needed) {
  for (unsigned i = 0; i < kLengths && length_at(i) < needed; ++i) short_at_[i] = now;
}

// The shortest ring that was never too short for so long.
std::uint32_t SizePolicy::enough_for(Time now, Time span) const {
  unsigned i = 0;
  while (i + 1 < kLengths && now - short_at_[i] < span) ++i;
  return length_at(i);
}

std::uint32_t SizePolicy::wanted(Time now) const {
  if (rules_.fixed != 0) return fixed();
  return std::clamp(begun_ ? enough_for(now, patience()) : 0, floor(), threshold());
}

// The length to shrink to; the one in use: not yet.
std::uint32_t SizePolicy::shrunk(Time now, std::uint32_t length, bool anyway) const {
  const std::uint32_t enough = std::max(enough_for(now, patience()), floor());
  if (enough >= length) return length;
  // Where a still shorter one will do soon, one switch is better than two: traffic that ends or changes comes
  // down in steps. But not for longer than half of the patience more.
  const std::uint32_t soon = std::max(enough_for(now, patience() / 2), floor());
  const Time possible = now - short_at_[index_of(length) - 1];
  if (soon < enough && possible < patience() * 3 / 2 && !anyway) return length;
  return enough;
}

bool SizePolicy::may_shrink_soon(Time now, std::uint32_t length) const {
  return begun_ && rules_.fixed == 0 && std::max(enough_for(now, patience() / 2), floor()) < length;
}

Decision SizePolicy::decide(Time now, std::uint32_t length, bool anyway) const {
  const std::uint32_t allowed = std::max(minimum(), std::min(threshold(), share_));
  if (rules_.fixed != 0) {
    const std::uint32_t most = std::max(minimum(), std::min(fixed(), share_));
    if (most == length) return {length, Decision::Cause::none, {}};
    return {most, Decision::Cause::bound,
            most == fixed()
                ? fmt::format("set to {}", in_kib(most))
                : fmt::format("set to {}, of which the budget allows {}", in_kib(fixed()), in_kib(most))};
  }
  if (length > allowed)
    return {allowed, Decision::Cause::bound,
            allowed < threshold() ? fmt::format("its share of the budget is {}", in_kib(allowed))
                                  : fmt::format("area-max is {}", in_kib(allowed))};
  if (length < floor())
    return {floor(), Decision::Cause::bound, fmt::format("area-min is {}", in_kib(floor()))};
  if (!begun_) return {length, Decision::Cause::none, {}};
  if (Growth found = growth(length, anyway ? 1 : kStallsToGrow); found.length > length) {
    const std::uint32_t next = decided_length(found.length, length, allowed);
    if (next > length) return {next, Decision::Cause::stalls, std::move(found.reason)};
    return {length, Decision::Cause::none, {}};
  }
  const std::uint32_t next = decided_length(shrunk(now, length, anyway), length, allowed);
  if (next >= length) return {length, Decision::Cause::none, {}};
  const Time enough = std::min(now - short_at_[index_of(next)], kLongAgo);
  return {next, Decision::Cause::held_less,
          fmt::format("{} would have been enough for {:.1f} s", in_kib(next),
                      std::chrono::duration<double>(enough).count())};
}

void SizePolicy::on_switched(Time now, std::uint32_t before, std::uint32_t length, Decision::Cause cause) {
  // Stalls of the ring before say nothing of this one.
  newer_ = older_ = {};
  streams_ = false;
  skip_ = true;
  if (length == before) return;
  if (length > before) {
    was_short(now, length);  // the time begins anew
    if (cause == Decision::Cause::stalls && shrank_) {
      const bool mistake = now - shrank_at_ < patience();
      doublings_ = mistake ? std::min(doublings_ + 1, kMostDoublings) : 0;
      shrank_ = false;
    }
  } else if (cause == Decision::Cause::held_less) {
    shrank_ = true;
    shrank_at_ = now;
  }
}

}  // namespace hush::dom0
