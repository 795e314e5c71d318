#include "dom0/port/wire.hpp"

#include <cstring>

namespace hush::dom0 {

Wire::Hop::Hop()
    : memory(new (std::align_val_t{128}) std::byte[kRing]),
      producer(shm::layout_at<area::SharedWords>(word_bytes.data()), shm::ByteRing(memory.get(), kRing),
               area::kMaxFrame),
      consumer(shm::layout_at<area::SharedWords>(word_bytes.data()), shm::ByteRing(memory.get(), kRing),
               area::kMaxFrame) {}

std::optional<std::size_t> Wire::take_end() {
  for (std::size_t side = 0; side < ends_.size(); ++side)
    if (!ends_[side].taken.exchange(true)) return side;
  return std::nullopt;
}

void Wire::End::wake() {
  const std::lock_guard lock(mutex_);
  if (wake_) wake_();
}

void Wire::End::attach(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

WirePort::WirePort(std::shared_ptr<Wire> wire, std::size_t side, relay::EndCounters& counters)
    : wire_(std::move(wire)),
      own_(wire_->ends_[side]),
      other_(wire_->ends_[1 - side]),
      to_other_(wire_->hops_[side].producer),
      from_other_(wire_->hops_[1 - side].consumer),
      counters_(counters) {
  awake();  // the words are those of the vif that had this end before
}

WirePort::~WirePort() {
  // What lies there was for the connection that ends.
  relay::Tally tally;
  drop_what_came(tally);
  if (from_other_.unreleased()) (void)from_other_.release();
  own_.taken = false;
  other_.wake();  // it may wait for room, and nobody makes any
}

void WirePort::attach(std::function<void()> wake) {
  own_.attach(std::move(wake));
}

void WirePort::turn(relay::Exchange& exchange) {
  take(exchange);
  give(exchange);
  settle();
}

// Room first: what the meter admits counts as passed.
void WirePort::take(relay::Exchange& exchange) {
  held_ = 0;
  area::Frame frame;
  for (std::uint32_t i = 0; i < relay::kBatch && exchange.in.peek(frame); ++i) {
    const std::uint32_t length = frame.record.length;
    const bool plugged = other_.taken;
    std::byte* const place = plugged ? to_other_.reserve(length) : nullptr;
    if (plugged && !place) {
      exchange.in.put_back(frame);
      held_ = length;
      return;
    }
    if (exchange.meter && !exchange.meter->admits(length)) {
      exchange.in.put_back(frame);
      exchange.short_of_credit = true;
      return;
    }
    if (!plugged) {
      exchange.taken.drop(relay::Drop::unplugged);
    } else if (!area::offload_is_sound(frame.record)) {
      exchange.taken.drop(relay::Drop::bad_offload);
    } else {
      std::memcpy(place, frame.bytes.data(), length);
      to_other_.commit(frame.record);
      if (capture_) capture_->add(std::span(place, length));
      exchange.taken.passed(length);
    }
  }
}

void WirePort::give(relay::Exchange& exchange) {
  lacks_room_ = 0;
  if (exchange.out_stalled) return drop_what_came(exchange.given);
  area::Frame frame;
  for (std::uint32_t i = 0; i < relay::kBatch && from_other_.peek(frame); ++i) {
    const std::uint32_t length = frame.record.length;
    if (length > exchange.out.max_frame()) {
      exchange.given.drop(relay::Drop::too_long);
      continue;
    }
    std::byte* const place = exchange.out.reserve(length);
    if (!place) {
      from_other_.put_back(frame);
      if (exchange.out.fault() == area::Fault::none) lacks_room_ = length;
      return;
    }
    std::memcpy(place, frame.bytes.data(), length);
    exchange.out.commit(frame.record);
    if (capture_) capture_->add(frame.bytes);
    exchange.given.passed(length);
  }
}

void WirePort::drop_what_came(relay::Tally& tally) {
  area::Frame frame;
  while (from_other_.peek(frame)) tally.drop(relay::Drop::peer_stalled);
}

// One index and at most one wake-up a batch, each way, as towards a guest.
void WirePort::settle() {
  if (to_other_.unpublished()) {
    const bool asleep = to_other_.publish();
    (asleep ? counters_.in.hops_woken : counters_.in.hops_saved).add();
    if (asleep) other_.wake();
  }
  if (from_other_.unreleased()) {
    const bool waits = from_other_.release();
    (waits ? counters_.out.hops_woken : counters_.out.hops_saved).add();
    if (waits) other_.wake();
  }
}

bool WirePort::rest() {
  // A frame in hand keeps those behind it where they are.
  const bool calm = lacks_room_ != 0 || from_other_.may_sleep();
  return calm && (held_ == 0 || to_other_.wait_for_room(held_));
}

void WirePort::awake() {
  from_other_.awake();
  to_other_.awake();
}

Result<std::unique_ptr<relay::Port>> Wires::join(std::uint32_t number, relay::EndCounters& counters) {
  if (number == 0) return error("port is wire, and no wire is named: set wire to a number from 1 to 65535");
  std::erase_if(wires_, [](const auto& entry) { return entry.second.expired(); });
  auto wire = wires_[number].lock();
  if (!wire) wires_[number] = wire = std::make_shared<Wire>();
  if (const auto side = wire->take_end())
    return std::unique_ptr<relay::Port>(std::make_unique<WirePort>(wire, *side, counters));
  return error("wire " + std::to_string(number) +
               " has two ends already: give these two vifs a number of their own");
}

}  // namespace hush::dom0
