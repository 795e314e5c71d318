#include "domu/library/area_link.hpp"

#include <algorithm>
#include <utility>

namespace hush {

Result<std::unique_ptr<AreaLink>> AreaLink::create(xen::GrantShare& shares, xen::EventChannels& channels,
                                                   DomId peer, EvtchnPort port, area::Sizes sizes,
                                                   area::Sleeps sleeps, relay::EndCounters& counters) {
  auto area = domu::SharedArea::create(
      shares, peer, area::header_of(xenstore::kFirstGeneration, sizes.guest_tx, sizes.guest_rx), port);
  if (!area) return area.error();
  return std::unique_ptr<AreaLink>{
      new AreaLink(shares, channels, peer, port, std::move(*area), sleeps, counters)};
}

AreaLink::AreaLink(xen::GrantShare& shares, xen::EventChannels& channels, DomId peer, EvtchnPort port,
                   domu::SharedArea area, area::Sleeps sleeps, relay::EndCounters& counters)
    : shares_(shares),
      peer_(peer),
      port_(port),
      bell_(channels, port),
      area_(std::move(area)),
      counters_(counters),
      rings_(area::front_side(area_->view()), sleeps) {}

Result<void> AreaLink::start(const Place& place, std::chrono::milliseconds stall) {
  stall_ = stall;
  areas_ = std::make_unique<domu::QueueAreas>(
      domu::QueueAreas::Setup{.loop = place.loop,
                              .store = place.store,
                              .shares = shares_,
                              .peer = peer_,
                              .port = port_,
                              .device = place.device,
                              .own = xenstore::queue_path(place.device, 0, 1),
                              .backend = xenstore::queue_path(place.backend, 0, 1),
                              .move = [this](const area::View& next) { move(next); },
                              .say = place.say},
      std::move(*area_), stall);
  area_.reset();
  return areas_->follow();
}

// What was committed is in the area before; what was peeked at stays there until it is released.
void AreaLink::move(const area::View& next) {
  awake();
  publish();
  if (rings_.lead(area::front_side(next))) notify();
  progress_ = {};
  standstill_.reset();
  tick(Clock::now());
}

// An application that only sends never reads: where the other end's SWITCH is next, it is read for it.
void AreaLink::look_for_switch() {
  area::Frame frame;
  if (rings_.in.peek(frame))
    rings_.in.put_back(frame);
  else if (rings_.in.unreleased())
    release();
}

// The other end has moved as well, and all that it had sent before is released.
void AreaLink::cross() {
  if (rings_.cross() == area::RingPair::Crossing::none) return;
  counters_.moves.add();
  areas_->moved();
}

bool AreaLink::doze(const Wanted& wanted) {
  publish();
  release();
  bell_.listen(counters_.in.batches.get() + counters_.out.batches.get());
  if (wanted.frames) {
    sleeping_ = rings_.in.may_sleep();
    (sleeping_ ? counters_.in.sleeps : counters_.in.second_looks).add();
    if (!sleeping_) return false;
  }
  if (wanted.room == 0) return true;
  waiting_ = rings_.out.wait_for_room(std::min(wanted.room, max_frame()));
  if (waiting_) counters_.out.room_waits.add();
  return waiting_;
}

void AreaLink::awake() {
  if (std::exchange(sleeping_, false)) rings_.in.awake();
  if (std::exchange(waiting_, false)) rings_.out.awake();
}

void AreaLink::tick(Clock::time_point now) {
  bell_.tick(now);
  tell();
  // Nothing but the SWITCH is in hand: an application that polls may release only where it was given
  // something.
  if (rings_.in.switched() && received_.packets == 0)
    release();
  else if (rings_.leads() && !sleeping_ && !rings_.in.unreleased())
    look_for_switch();
  if (standstill_ || watch_due_) rings_.out.look();
  if (standstill_ && rings_.out.consumed() != stands_at_) standstill_.reset();
  if (!watch_due_ ? rings_.out.waiting() != 0 || waiting_ || rings_.leads() : now >= *watch_due_) watch(now);
}

// Once a bound, whatever goes through the ring in between.
void AreaLink::watch(Clock::time_point now) {
  using Verdict = relay::Progress::Verdict;
  const bool late = watch_due_ && now - *watch_due_ >= stall_;
  const Verdict verdict = progress_.look(rings_.out.consumed(), rings_.out.waiting(), late);
  // One that waits for room looks again each bound: the event may have died with the other end.
  if (verdict == Verdict::idle && !waiting_ && !rings_.leads()) return watch_due_.reset();
  const bool first = !watch_due_;
  watch_due_ = now + stall_;
  if (verdict == Verdict::moves) moved_ = now;
  // The event for its SWITCH, or for ours, may be lost.
  const bool switch_late = verdict == Verdict::idle && rings_.leads() && !first;
  if (verdict != Verdict::stands && verdict != Verdict::late && !switch_late) return;
  counters_.out.notifies_late.add();
  notify();
  if (verdict != Verdict::stands || standstill_) return;
  counters_.out.stalls.add();
  stands_at_ = rings_.out.consumed();
  standstill_ = Standstill{moved_, relay::standstill_cause(rings_.peer_lives())};
}

std::optional<AreaLink::Clock::time_point> AreaLink::due() const {
  auto first = watch_due_;
  const auto sooner = [&first](const std::optional<Clock::time_point>& other) {
    if (other && (!first || *other < *first)) first = other;
  };
  sooner(bell_.due());
  if (areas_) sooner(areas_->due());
  return first;
}

}  // namespace hush
