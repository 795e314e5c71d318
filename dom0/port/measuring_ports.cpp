#include "dom0/port/measuring_ports.hpp"

#include <algorithm>
#include <cstring>

// The compiler's widest registers, where the processor has them: the payload is read and written as fast as
// by those who are measured beside us (tools/bench/area_programs/CMakeLists.txt). The whole loop over a batch
// is compiled for them, so that nothing is called a frame.
#if defined(__x86_64__)
#define HUSH_WIDE __attribute__((target("avx2")))
#else
#define HUSH_WIDE
#endif
#define HUSH_INLINE inline __attribute__((always_inline))

namespace hush::dom0 {
namespace {

constexpr std::uint32_t kWord = sizeof(std::uint64_t);
// Turns for which a source waits until a whole batch has room; then what fits goes, or one whose reader
// stands still would turn for ever.
constexpr std::uint32_t kHeldTurns = 64;

// Reads every byte: the sum of its words of 8 bytes, with what is left as one more. The peer may change them
// meanwhile, which changes the sum and nothing else.
HUSH_INLINE std::uint64_t sum_of(std::span<const std::byte> bytes) {
  const std::size_t words = bytes.size() / kWord;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i * kWord, kWord);
    sum += word;
  }
  std::uint64_t last = 0;
  if (const std::size_t rest = bytes.size() % kWord; rest != 0)
    std::memcpy(&last, bytes.data() + words * kWord, rest);
  return sum + last;
}

// Writes every byte: each word is the number, and what is left at the end its lowest bytes.
HUSH_INLINE void write_number(std::byte* place, std::uint32_t length, std::uint64_t number) {
  const std::uint32_t words = length / kWord;
  for (std::uint32_t i = 0; i < words; ++i) std::memcpy(place + i * kWord, &number, kWord);
  if (const std::uint32_t rest = length % kWord; rest != 0) std::memcpy(place + words * kWord, &number, rest);
}

HUSH_INLINE std::uint64_t take(relay::Exchange& exchange, std::uint32_t batch) {
  area::Frame frame;
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < batch && exchange.in.peek(frame); ++i) {
    sum += sum_of(frame.bytes);
    exchange.taken.passed(frame.record.length);
  }
  return sum;
}

// The first number that found no room. What went is counted once: the payload may lie anywhere for all that
// the compiler knows, so a count a frame would be a load and a store each.
HUSH_INLINE std::uint64_t give(relay::Exchange& exchange, std::uint32_t batch, std::uint32_t length,
                               std::uint64_t number) {
  const std::uint64_t first = number;
  for (const std::uint64_t end = number + batch; number != end; ++number) {
    std::byte* const place = exchange.out.reserve(length);
    if (!place) break;
    write_number(place, length, number);
    exchange.out.commit({.length = length});
  }
  if (number != first) exchange.given.passed(length, number - first);
  return number;
}

HUSH_WIDE std::uint64_t take_wide(relay::Exchange& exchange, std::uint32_t batch) {
  return take(exchange, batch);
}
std::uint64_t take_plain(relay::Exchange& exchange, std::uint32_t batch) {
  return take(exchange, batch);
}
HUSH_WIDE std::uint64_t give_wide(relay::Exchange& exchange, std::uint32_t batch, std::uint32_t length,
                                  std::uint64_t number) {
  return give(exchange, batch, length, number);
}
std::uint64_t give_plain(relay::Exchange& exchange, std::uint32_t batch, std::uint32_t length,
                         std::uint64_t number) {
  return give(exchange, batch, length, number);
}

bool wide() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

}  // namespace

SinkPort::SinkPort(std::uint32_t batch) : batch_(batch), wide_(wide()) {}

void SinkPort::turn(relay::Exchange& exchange) {
  sum_ += wide_ ? take_wide(exchange, batch_) : take_plain(exchange, batch_);
}

SourcePort::SourcePort(std::uint32_t length, std::uint32_t batch)
    : sink_(batch), length_(length), batch_(batch), wide_(wide()) {}

void SourcePort::turn(relay::Exchange& exchange) {
  sink_.turn(exchange);
  const std::uint32_t length = std::min(length_, exchange.out.max_frame());
  const std::uint64_t end = number_ + batch_;
  if (!exchange.out.has_room_for(batch_, length) && ++held_turns_ < kHeldTurns) {
    lacks_room_ = length;
    return;
  }
  held_turns_ = 0;
  number_ = (wide_ ? give_wide : give_plain)(exchange, batch_, length, number_);
  lacks_room_ = number_ == end ? 0 : length;
}

void EchoPort::turn(relay::Exchange& exchange) {
  lacks_room_ = 0;
  area::Frame frame;
  for (std::uint32_t i = 0; i < batch_ && exchange.in.peek(frame); ++i) {
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

std::unique_ptr<relay::Port> make_measuring_port(xenstore::PortKind kind, std::uint32_t frame,
                                                 std::uint32_t batch) {
  switch (kind) {
    case xenstore::PortKind::tap:
    case xenstore::PortKind::wire:
      break;
    case xenstore::PortKind::sink:
      return std::make_unique<SinkPort>(batch);
    case xenstore::PortKind::source:
      return std::make_unique<SourcePort>(frame, batch);
    case xenstore::PortKind::echo:
      return std::make_unique<EchoPort>(batch);
  }
  return nullptr;
}

}  // namespace hush::dom0
