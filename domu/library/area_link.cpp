#include "domu/library/area_link.hpp"

#include <algorithm>
#include <utility>

#include "common/netif/wire.hpp"

namespace hush {
namespace {

// Until an event that could not be sent is tried again: far below what a peer takes for a stall.
constexpr auto kOwedAgain = std::chrono::milliseconds(10);

}  // namespace

Result<std::unique_ptr<AreaLink>> AreaLink::create(xen::GrantShare& shares, xen::EventChannels& channels,
                                                   DomId peer, std::uint32_t ring, Sleeps sleeps,
                                                   relay::EndCounters& counters) {
  constexpr std::uint32_t kNetifRings = 2;
  auto rings = shares.share(peer, kNetifRings, true);
  if (!rings) return rings.error();
  const auto page = [&](std::size_t i) { return static_cast<std::byte*>(rings->base()) + i * kPageSize; };
  (void)netif::TxFront::create(shm::layout_at<netif::TxSring>(page(0)));
  (void)netif::RxFront::create(shm::layout_at<netif::RxSring>(page(1)));
  auto port = channels.alloc_unbound(peer);
  if (!port) return port.error();
  auto area = domu::SharedArea::create(shares, peer, ring, ring, *port);
  if (!area) {
    channels.unbind(*port);
    return area.error();
  }
  return std::unique_ptr<AreaLink>{
      new AreaLink(channels, *port, std::move(*rings), std::move(*area), sleeps, counters)};
}

AreaLink::AreaLink(xen::EventChannels& channels, EvtchnPort port, xen::SharedPages netif_rings,
                   domu::SharedArea area, Sleeps sleeps, relay::EndCounters& counters)
    : channels_(channels),
      port_(port),
      netif_rings_(std::move(netif_rings)),
      area_(std::move(area)),
      counters_(counters),
      in_(area_.page().guest_rx, area_.guest_rx(), area_.header().guest_rx_max_frame, 0, sleeps.in),
      out_(area_.page().guest_tx, area_.guest_tx(), area_.header().guest_tx_max_frame, 0, sleeps.out) {}

AreaLink::~AreaLink() {
  channels_.unbind(port_);
}

xenstore::QueueAddress AreaLink::address() const {
  return {.tx_ring = Gref{netif_rings_.grefs()[0]},
          .rx_ring = Gref{netif_rings_.grefs()[1]},
          .tx_port = port_,
          .rx_port = port_,
          .area = area_.address()};
}

void AreaLink::notify() {
  if (!channels_.notify(port_)) owed_ = true;
}

void AreaLink::on_event() {
  counters_.events.add();
  masked_ = true;
}

// Takes events again: before the look at the rings, so that what comes from now on is told.
void AreaLink::listen() {
  if (!std::exchange(masked_, false)) return;
  const auto wait = storm_.after_event(counters_.in.batches.get() + counters_.out.batches.get());
  if (wait.count() == 0)
    channels_.unmask(port_);
  else
    late_ = Clock::now() + wait;
}

bool AreaLink::doze(const Wanted& wanted) {
  publish();
  release();
  listen();
  if (wanted.frames) {
    sleeping_ = in_.may_sleep();
    (sleeping_ ? counters_.in.sleeps : counters_.in.second_looks).add();
    if (!sleeping_) return false;
  }
  if (wanted.room == 0) return true;
  waiting_ = out_.wait_for_room(std::min(wanted.room, max_frame()));
  if (waiting_) counters_.out.room_waits.add();
  return waiting_;
}

void AreaLink::awake() {
  if (std::exchange(sleeping_, false)) in_.awake();
  if (std::exchange(waiting_, false)) out_.awake();
}

void AreaLink::tick(Clock::time_point now) {
  if (owed_) owed_ = !channels_.notify(port_);
  if (late_ && now >= *late_) {
    late_.reset();
    channels_.unmask(port_);
  }
  if (standstill_ || watch_due_) out_.look();
  if (standstill_ && out_.consumed() != stands_at_) standstill_.reset();
  if (!watch_due_ ? out_.waiting() != 0 || waiting_ : now >= *watch_due_) watch(now);
}

// Once a bound, whatever goes through the ring in between.
void AreaLink::watch(Clock::time_point now) {
  using Verdict = relay::Progress::Verdict;
  const Verdict verdict = progress_.look(out_.consumed(), out_.waiting());
  // One that waits for room looks again each bound: the event may have died with the other end.
  if (verdict == Verdict::idle && !waiting_) return watch_due_.reset();
  watch_due_ = now + stall_;
  if (verdict == Verdict::moves) moved_ = now;
  if (verdict != Verdict::stands) return;
  counters_.out.notifies_late.add();
  notify();
  if (standstill_) return;
  counters_.out.stalls.add();
  stands_at_ = out_.consumed();
  standstill_ = Standstill{moved_, relay::standstill_cause(area_.page().back_lives.load() != 0)};
}

std::optional<AreaLink::Clock::time_point> AreaLink::due() const {
  auto first = watch_due_;
  const auto sooner = [&first](const std::optional<Clock::time_point>& other) {
    if (other && (!first || *other < *first)) first = other;
  };
  sooner(late_);
  if (owed_) sooner(Clock::now() + kOwedAgain);
  return first;
}

}  // namespace hush
