#include "dom0/vif/guest_rx.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "common/step.hpp"

namespace hush::dom0 {
namespace {
// 64 KiB of IP and an Ethernet header with two tags: what one read of a TAP can bring at most.
constexpr std::size_t kMaxFrame = 17 * kPageSize;
// Frames up to this lie behind each other in the pages: copies from one page are cheaper. A larger one begins
// a page, since each slot's worth that crosses a page costs a segment more.
constexpr std::size_t kSmallFrame = kPageSize / 2;
constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kAlignment = 64;  // a cache line

// Where the frame behind this one is read to. Its length is not known yet: it is taken to be like the last
// one.
std::size_t behind(std::size_t at, std::size_t length) {
  const std::size_t end = at + length;
  const std::size_t next = (end + kAlignment - 1) / kAlignment * kAlignment;
  const bool fits = length <= kSmallFrame && next % kPageSize + length <= kPageSize && next % kPageSize != 0;
  return fits ? next : (end + kPageSize - 1) / kPageSize * kPageSize;
}
}  // namespace

GuestRx::GuestRx(netif::RxBack ring, DomId peer, int tap, const xenstore::Features& frontend,
                 BatchMemory& memory, QueueCounters& counters, const VifShare& share)
    : ring_(ring),
      peer_(peer),
      tap_(tap),
      frontend_(frontend),
      memory_(memory),
      counters_(counters),
      multicast_(share.multicast),
      steering_(share.steering),
      backlog_(share.steering ? &share.steering->backlog(share.number) : nullptr),
      held_bytes_(kMaxFrame) {}

Pass GuestRx::run(const Tell& tell) {
  const auto pending = ring_.pending();
  if (!pending) {
    fault_ = "guest_rx ring index impossible";
    return Pass::fault;
  }
  if (*pending >= wanted_)
    wanted_ = 0;
  else if (holding_)
    return Pass::idle;
  bool dropped = false;
  const std::size_t count = gather(*pending, dropped);
  if (!fault_.empty()) return Pass::fault;
  if (count == 0) return dropped ? Pass::moved : Pass::idle;
  const auto frames = std::span(frames_).first(count);
  std::size_t slots = 0;
  HUSH_STEP("rx-read");
  for (const Frame& frame : frames)
    for (std::size_t i = 0; i < frame.slots(); ++i) requests_[slots++] = ring_.take();
  copy_out(frames);
  HUSH_STEP("rx-copied");
  answer(frames);
  HUSH_STEP("rx-put");
  counters_.guest_rx.count_batch(count);
  const bool wanted = ring_.publish();
  HUSH_STEP("rx-published");
  tell(wanted);
  HUSH_SERVED();
  HUSH_STEP("rx-told");
  return Pass::moved;
}

// Frames of the TAP that the guest has room for, and one more in hand where it has not: a ringful of reads at
// most.
std::size_t GuestRx::gather(std::size_t room, bool& dropped) {
  std::size_t count = 0, at = 0;
  for (std::size_t reads = 0; reads < netif::kSlots && at < netif::kSlots * kPageSize; ++reads) {
    Frame& frame = frames_[count];
    if (!next_frame(at, frame)) break;
    if (!admit(frame)) {
      dropped = true;
      continue;
    }
    if (frame.slots() > room) {
      if (wanted_ == 0) counters_.rx_waits.add();
      wanted_ = static_cast<std::uint32_t>(frame.slots());
      hold(frame);
      break;
    }
    at = behind(at, frame.length);
    room -= frame.slots();
    wanted_ = 0;
    ++count;
  }
  return count;
}

void GuestRx::drop_backlog() {
  Frame frame;
  for (std::size_t i = 0; i < kLongestBacklog && next_frame(0, frame); ++i)
    counters_.rx_drops[static_cast<std::size_t>(RxDrop::waited_too_long)].add();
}

bool GuestRx::next_frame(std::size_t at, Frame& frame) {
  const auto room = memory_.pages.from(at);
  if (holding_) {
    holding_ = false;
    frame = held_;
    frame.at = at;
    std::memcpy(room.data(), held_bytes_.data(), frame.length);
    return true;
  }
  frame.at = at;
  if (backlog_ && !backlog_->empty()) {
    const WaitingFrame waited = backlog_->pop(room);
    frame.header = waited.header;
    frame.length = waited.length;
    frame.hash = waited.hash;
  } else {
    if (steering_ && steering_->on()) return false;  // what the TAP has goes by way of the backlog
    std::array<iovec, 2> parts{
        {{&frame.header, sizeof frame.header}, {room.data(), std::min(room.size(), kMaxFrame)}}};
    const ssize_t got = readv(tap_, parts.data(), parts.size());
    if (got < 0 && errno != EAGAIN && errno != EINTR) fault_ = kTapIsGone;
    if (got <= static_cast<ssize_t>(sizeof frame.header)) return false;
    frame.length = static_cast<std::size_t>(got) - sizeof frame.header;
    frame.hash.reset();
  }
  frame.gso = (frame.header.gso_type & ~net::vnet::kEcn) != net::vnet::kGsoNone;
  frame.csum_blank = frame.header.flags & net::vnet::kNeedsCsum;
  return true;
}

bool GuestRx::admit(Frame& frame) {
  const auto drop = [&](RxDrop why) {
    counters_.rx_drops[static_cast<std::size_t>(why)].add();
    return false;
  };
  const auto bytes = memory_.pages.from(frame.at).first(frame.length);
  if (multicast_.blocks(bytes)) return drop(RxDrop::multicast_not_wanted);
  if (frame.gso) {
    const auto network = net::find_network(bytes);
    if (network && network->start != kEthernetHeader) return drop(RxDrop::tagged_segment);
    const auto type = frame.header.gso_type & ~net::vnet::kEcn;
    const bool agreed = (type == net::vnet::kGsoTcpV4 && frontend_.gso_tcpv4) ||
                        (type == net::vnet::kGsoTcpV6 && frontend_.gso_tcpv6);
    if (!agreed) return drop(RxDrop::gso_not_agreed);
  } else if (frame.csum_blank) {
    // A front end finds the field by itself, in plain TCP and UDP without a VLAN tag only (Linux's
    // skb_checksum_setup); the rest is completed here.
    const auto transport = net::find_transport(bytes);
    const bool offloads = transport && transport->ip_start == kEthernetHeader &&
                          transport->start == frame.header.csum_start &&
                          transport->csum_offset == frame.header.csum_offset &&
                          (transport->ipv6 ? frontend_.ipv6_csum : frontend_.ipv4_csum);
    if (!offloads) {
      const std::size_t end = std::size_t{frame.header.csum_start} + frame.header.csum_offset + 2;
      if (end <= bytes.size())
        net::complete_checksum(bytes, frame.header.csum_start, frame.header.csum_offset);
      frame.csum_blank = false;
    }
  }
  if (frame.slots() > 1 && !frontend_.sg) return drop(RxDrop::needs_scatter_gather);
  return true;
}

void GuestRx::hold(const Frame& frame) {
  held_ = frame;
  holding_ = true;
  std::memcpy(held_bytes_.data(), memory_.pages.from(frame.at).data(), frame.length);
}

// The k-th data slot of a frame takes the request after the extra-info slots, which follow the first.
void GuestRx::copy_out(std::span<Frame> frames) {
  memory_.copies.clear();
  std::size_t request = 0;
  for (Frame& frame : frames) {
    const auto bytes = memory_.pages.from(frame.at).first(frame.length);
    const std::size_t before = memory_.copies.size();
    for (std::size_t k = 0; k < frame.data_slots(); ++k) {
      const std::size_t at = k * kPageSize;
      copy_slot(requests_[request + k + (k > 0 ? frame.extras() : 0)],
                bytes.subspan(at, std::min(kPageSize, frame.length - at)));
    }
    frame.segments = memory_.copies.size() - before;
    request += frame.slots();
  }
  counters_.guest_rx.copy_calls.add();
  counters_.guest_rx.copies.add(memory_.copies.size());
  // A failure of the whole call marks every segment, and each frame is answered as failed.
  (void)memory_.copies.run(memory_.grants);
}

// A slot's bytes: in two parts where they cross a page of ours.
void GuestRx::copy_slot(const netif::RxRequest& to, std::span<const std::byte> bytes) {
  const auto own = static_cast<std::size_t>(bytes.data() - memory_.pages.from(0).data());
  const std::size_t first = std::min(bytes.size(), kPageSize - own % kPageSize);
  memory_.copies.to_peer(peer_, to.gref, 0, bytes.first(first));
  if (first < bytes.size())
    memory_.copies.to_peer(peer_, to.gref, static_cast<std::uint16_t>(first), bytes.subspan(first));
}

void GuestRx::answer(std::span<const Frame> frames) {
  std::size_t request = 0, segment = 0;
  for (const Frame& frame : frames) {
    bool copied = true;
    for (std::size_t i = 0; i < frame.segments; ++i) copied = copied && memory_.copies.status(segment++) == 0;
    put_responses(frame, &requests_[request], copied);
    request += frame.slots();
    if (!copied) {
      counters_.rx_drops[static_cast<std::size_t>(RxDrop::grant_copy_failed)].add();
      continue;
    }
    counters_.guest_rx.packets.add();
    counters_.guest_rx.bytes.add(frame.length);
    counters_.guest_rx.slots.add(frame.slots());
    if (capture_) capture_->add(memory_.pages.from(frame.at).first(frame.length));
  }
}

void GuestRx::put_responses(const Frame& frame, const netif::RxRequest* request, bool copied) {
  std::uint16_t flags = 0;
  if (frame.csum_blank) flags |= netif::rx_flag::kCsumBlank | netif::rx_flag::kDataValidated;
  if (frame.header.flags & net::vnet::kDataValid) flags |= netif::rx_flag::kDataValidated;
  if (frame.extras() > 0) flags |= netif::rx_flag::kExtraInfo;
  for (std::size_t k = 0; k < frame.data_slots(); ++k) {
    const std::size_t left = frame.length - k * kPageSize;
    const auto size = static_cast<std::int16_t>(std::min(kPageSize, left));
    const bool more = k + 1 < frame.data_slots();
    ring_.put(netif::RxResponse{request++->id, 0,
                                static_cast<std::uint16_t>(flags | (more ? netif::rx_flag::kMoreData : 0)),
                                copied ? size : netif::status::kError});
    if (k > 0) continue;
    flags = 0;
    put_extras(frame);
    request += frame.extras();
  }
}

void GuestRx::put_extras(const Frame& frame) {
  if (frame.gso) {
    const bool v6 = (frame.header.gso_type & ~net::vnet::kEcn) == net::vnet::kGsoTcpV6;
    const netif::GsoBody gso{frame.header.gso_size, v6 ? netif::extra::kGsoTcpV6 : netif::extra::kGsoTcpV4, 0,
                             0};
    netif::ExtraInfo extra{netif::extra::kGso, frame.hash ? netif::extra::kMore : std::uint8_t{0}, {}};
    std::memcpy(extra.body, &gso, sizeof gso);
    ring_.put(extra);
  }
  if (frame.hash) {
    netif::HashBody hash{frame.hash->type, netif::hash_algorithm::kToeplitz, {}};
    std::memcpy(hash.value, &frame.hash->value, sizeof hash.value);
    netif::ExtraInfo extra{netif::extra::kHash, 0, {}};
    std::memcpy(extra.body, &hash, sizeof hash);
    ring_.put(extra);
  }
}

}  // namespace hush::dom0
