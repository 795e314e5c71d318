#include "dom0/vif/area_queue.hpp"

#include "common/step.hpp"

namespace hush::dom0 {
namespace {

std::optional<Stall> stall_of(const std::optional<relay::Standstill>& standstill) {
  return standstill ? std::optional(Stall{standstill->since, std::string(standstill->cause)}) : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<AreaQueue>> AreaQueue::connect(Worker& worker, DomId peer,
                                                      const xenstore::QueueAddress& address,
                                                      std::unique_ptr<relay::Port> port,
                                                      QueueCounters& counters) {
  std::unique_ptr<AreaQueue> queue{new AreaQueue(worker, std::move(port), counters)};
  if (auto bound = queue->bind(peer, address); !bound) return bound.error();
  return queue;
}

AreaQueue::AreaQueue(Worker& worker, std::unique_ptr<relay::Port> port, QueueCounters& counters)
    : thread_(*worker.thread), port_(std::move(port)), counters_(counters) {}

AreaQueue::~AreaQueue() {
  end_.reset();
  if (rx_port_ != tx_port_) thread_.unbind(rx_port_);
  if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_);
}

Result<void> AreaQueue::bind(DomId peer, const xenstore::QueueAddress& address) {
  const auto on_event = [this](DirectionCounters& of) {
    return [this, &of] {
      of.events.add();
      if (end_ && started_) end_->on_event();
    };
  };
  auto tx = thread_.bind(peer, address.tx_port, on_event(counters_.guest_tx));
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (address.tx_port == address.rx_port) return {};
  auto rx = thread_.bind(peer, address.rx_port, on_event(counters_.guest_rx));
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

Result<void> AreaQueue::begin(Start start, QueueTimeouts timeouts, Reports reports,
                              std::function<void()> moved, std::function<void()> stirs) {
  area_ = start.area;
  again_ = start.again;
  area::Standing at;
  if (start.file) {
    at = start.file->at;
    file_ = std::move(start.file->file);
    keeper_.emplace(file_->words(), at);
  }
  if (!again_) area::RingPair::begin_anew(area::back_side(area_));
  std::optional<relay::AreaEnd::Stood> stood;
  if (again_) {
    stood.emplace();
    stood->at = {at.consumed, at.produced};
    stood->sleeps = at.sleeps;
    if (start.staged) {
      next_ = *start.staged;
      stood->staged = area::back_side(next_);
    }
  }
  const relay::AreaEnd::Setup end{.area = area::back_side(area_),
                                  .in_port = tx_port_,
                                  .out_port = rx_port_,
                                  .stall = timeouts.area_stall,
                                  .keeper = keeper_ ? &*keeper_ : nullptr};
  end_ = std::make_unique<relay::AreaEnd>(
      thread_, end, *port_, counters_.area,
      relay::AreaEnd::Reports{
          [fault = std::move(reports.fault)](std::string_view why) { fault(std::string(why)); },
          [stall = std::move(reports.stall)](std::optional<relay::Standstill> standstill) {
            stall(stall_of(standstill));
          },
          [this, moved = std::move(moved)] {
            area_ = next_;
            moved();
          },
          std::move(stirs)},
      stood);
  if (const auto fault = end_->fault(); fault != area::Fault::none)
    return error(std::string(area::to_text(fault)), EINVAL);
  HUSH_STEP("resume-indexes");
  if (start.left) area::RingPair::end_generation(area::back_side(*start.left), at.other_produced);
  HUSH_STEP("resume-ended");
  if (again_ && !start.staged && keeper_) keeper_->forget_other();
  HUSH_STEP("resume-alone");
  return {};
}

void AreaQueue::stage(const area::View& next, const area::Seat& seat) {
  next_ = next;
  end_->stage(area::back_side(next), seat);
}

void AreaQueue::capture_to(std::shared_ptr<net::Capture> capture) {
  port_->capture_to(capture.get());
  capture_ = std::move(capture);
}

void AreaQueue::limit_by(std::shared_ptr<RateLimiter> limiter) {
  credit_.limit_by(std::move(limiter));
  end_->meter(credit_.limited() ? this : nullptr);
}

bool AreaQueue::admits(std::uint32_t bytes) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  if (credit_.admit(now, 1, [bytes](std::size_t) { return bytes; }) == 1) return true;
  if (credit_.waits_anew()) counters_.tx_throttled.add();
  return false;
}

std::chrono::steady_clock::time_point AreaQueue::due() const {
  return std::chrono::steady_clock::time_point(credit_.due());
}

QueueLook AreaQueue::look() const {
  return {AreaLook{area_.header, area::look_at(area_.page->guest_tx), area::look_at(area_.page->guest_rx),
                   area_.page->front_lives.load() != 0},
          tx_port_,
          rx_port_,
          end_->state(),
          stall_of(end_->standstill()),
          end_->polling().expected(),
          port_->sum()};
}

}  // namespace hush::dom0
