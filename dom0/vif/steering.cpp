#include "dom0/vif/steering.hpp"

#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace hush::dom0 {
namespace {
// Between two turns of other queues, as Linux's netback takes for its receive side (RX_BATCH_SIZE).
constexpr int kBatch = 64;
}  // namespace

void Steering::join(std::size_t queue, QueueCounters& counters, std::function<void()> wake) {
  lanes_[queue].counters = &counters;
  lanes_[queue].wake = std::move(wake);
}

void Steering::wake_all() {
  for (const Lane& lane : lanes_)
    if (lane.wake) lane.wake();
}

Pass Steering::spread(int tap) {
  const auto room = memory_.pages.from(0);
  WaitingFrame frame{};
  for (int i = 0; i < kBatch; ++i) {
    std::array<iovec, 2> parts{{{&frame.header, sizeof frame.header}, {room.data(), room.size()}}};
    const ssize_t got = readv(tap, parts.data(), parts.size());
    if (got < 0 && errno != EAGAIN && errno != EINTR) return Pass::fault;
    if (got <= static_cast<ssize_t>(sizeof frame.header)) return i > 0 ? Pass::moved : Pass::idle;
    frame.length = static_cast<std::uint32_t>(got - static_cast<ssize_t>(sizeof frame.header));
    lay(frame, room.first(frame.length));
  }
  return Pass::moved;
}

void Steering::lay(WaitingFrame frame, std::span<const std::byte> bytes) {
  frame.hash = hash_packet(hash_, bytes);
  Lane& lane = lanes_[hash_.queue_of(frame.hash ? frame.hash->value : 0)];
  if (!lane.wake) return;  // the vif is being connected or disconnected
  const bool waited = !lane.backlog.empty();
  if (!lane.backlog.push(frame, bytes))
    lane.counters->rx_drops[static_cast<std::size_t>(RxDrop::backlog_full)].add();
  else if (!waited)
    lane.wake();
}

}  // namespace hush::dom0
