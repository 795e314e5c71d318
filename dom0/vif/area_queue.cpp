#include "dom0/vif/area_queue.hpp"

namespace hush::dom0 {
namespace {

std::optional<Stall> stall_of(const std::optional<relay::Standstill>& standstill) {
  return standstill ? std::optional(Stall{standstill->since, std::string(standstill->cause)}) : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<AreaQueue>> AreaQueue::connect(Worker& worker, const Setup& setup,
                                                      std::unique_ptr<relay::Port> port,
                                                      QueueCounters& counters, Reports reports) {
  std::unique_ptr<AreaQueue> queue{new AreaQueue(worker, std::move(port), counters)};
  // Bound first: the mapping names a channel for its last word.
  if (auto bound = queue->bind(setup); !bound) return bound.error();
  auto area = MappedArea::map(worker.thread->grants(), setup.peer, *setup.address.area, setup.max_pages,
                              queue->tx_port_);
  if (!area) return area.error();
  queue->area_ = std::move(*area);
  queue->begin(setup, std::move(reports));
  return queue;
}

AreaQueue::AreaQueue(Worker& worker, std::unique_ptr<relay::Port> port, QueueCounters& counters)
    : thread_(*worker.thread), port_(std::move(port)), counters_(counters) {}

AreaQueue::~AreaQueue() {
  end_.reset();
  area_ = {};
  if (rx_port_ != tx_port_) thread_.unbind(rx_port_);
  if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_);
}

Result<void> AreaQueue::bind(const Setup& setup) {
  const auto on_event = [this](DirectionCounters& of) {
    return [this, &of] {
      of.events.add();
      if (end_) end_->on_event();
    };
  };
  auto tx = thread_.bind(setup.peer, setup.address.tx_port, on_event(counters_.guest_tx));
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (setup.address.tx_port == setup.address.rx_port) return {};
  auto rx = thread_.bind(setup.peer, setup.address.rx_port, on_event(counters_.guest_rx));
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

void AreaQueue::begin(const Setup& setup, Reports reports) {
  const area::Header& header = area_.header();
  area::HeaderPage& page = area_.page();
  const relay::AreaEnd::Setup end{
      .in = area::SharedConsumer(page.guest_tx, area_.guest_tx(), header.guest_tx_max_frame),
      .out = area::SharedProducer(page.guest_rx, area_.guest_rx(), header.guest_rx_max_frame),
      .in_port = tx_port_,
      .out_port = rx_port_,
      .peer_lives = &page.front_lives,
      .stall = setup.timeouts.area_stall};
  end_ = std::make_unique<relay::AreaEnd>(
      thread_, end, *port_, counters_.area,
      relay::AreaEnd::Reports{
          [fault = std::move(reports.fault)](std::string_view why) { fault(std::string(why)); },
          [stall = std::move(reports.stall)](std::optional<relay::Standstill> standstill) {
            stall(stall_of(standstill));
          }});
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
  const area::HeaderPage& page = area_.page();
  return {AreaLook{area_.header(), area::look_at(page.guest_tx), area::look_at(page.guest_rx),
                   page.front_lives.load() != 0},
          tx_port_,
          rx_port_,
          end_->state(),
          stall_of(end_->standstill()),
          end_->polling().expected(),
          port_->sum()};
}

}  // namespace hush::dom0
