#include "dom0/port/measuring_ports.hpp"

#include <algorithm>
#include <cstring>

namespace hush::dom0 {
namespace {

// Reads every byte. The peer may change them meanwhile, which changes a sum that means nothing.
std::uint64_t sum_of(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  std::size_t at = 0;
  for (; at + sizeof sum <= bytes.size(); at += sizeof sum) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    sum += word;
  }
  for (; at < bytes.size(); ++at) sum += std::to_integer<std::uint64_t>(bytes[at]);
  return sum;
}

// Each 8 bytes are the number, and what is left at the end its lowest bytes.
void write_number(std::byte* place, std::uint32_t length, std::uint64_t number) {
  std::uint32_t at = 0;
  for (; at + sizeof number <= length; at += sizeof number) std::memcpy(place + at, &number, sizeof number);
  std::memcpy(place + at, &number, length - at);
}

}  // namespace

void SinkPort::turn(relay::Exchange& exchange) {
  area::Frame frame;
  for (std::uint32_t i = 0; i < relay::kBatch && exchange.in.peek(frame); ++i) {
    sum_ += sum_of(frame.bytes);
    exchange.taken.passed(frame.record.length);
  }
}

void SourcePort::turn(relay::Exchange& exchange) {
  sink_.turn(exchange);
  lacks_room_ = 0;
  const std::uint32_t length = std::min(length_, exchange.out.max_frame());
  for (std::uint32_t i = 0; i < relay::kBatch; ++i) {
    std::byte* const place = exchange.out.reserve(length);
    if (!place) {
      lacks_room_ = length;
      return;
    }
    write_number(place, length, sequence_++);
    exchange.out.commit({.length = length});
    exchange.given.passed(length);
  }
}

void EchoPort::turn(relay::Exchange& exchange) {
  lacks_room_ = 0;
  area::Frame frame;
  for (std::uint32_t i = 0; i < relay::kBatch && exchange.in.peek(frame); ++i) {
    const std::uint32_t length = frame.record.length;
    if (length > exchange.out.max_frame()) {
      exchange.given.drop(relay::Drop::too_long);
      continue;
    }
    std::byte* const place = exchange.out.reserve(length);
    if (!place) {
      exchange.in.put_back(frame);
      lacks_room_ = length;
      return;
    }
    std::memcpy(place, frame.bytes.data(), length);
    exchange.out.commit({.length = length});
    exchange.taken.passed(length);
    exchange.given.passed(length);
  }
}

std::unique_ptr<relay::Port> make_measuring_port(xenstore::PortKind kind, std::uint32_t frame) {
  switch (kind) {
    case xenstore::PortKind::tap:
    case xenstore::PortKind::wire:
      break;
    case xenstore::PortKind::sink:
      return std::make_unique<SinkPort>();
    case xenstore::PortKind::source:
      return std::make_unique<SourcePort>(frame);
    case xenstore::PortKind::echo:
      return std::make_unique<EchoPort>();
  }
  return nullptr;
}

}  // namespace hush::dom0
