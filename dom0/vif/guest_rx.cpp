#include "dom0/vif/guest_rx.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace hush::dom0 {
namespace {
// 64 KiB of IP and an Ethernet header with two tags: what one read of a TAP can bring at most.
constexpr std::size_t kMaxFrame = 17 * kPageSize;
}  // namespace

GuestRx::GuestRx(netif::RxBack ring, DomId peer, int tap, const xenstore::Features& frontend,
                 BatchMemory& memory, QueueCounters& counters)
    : ring_(ring),
      peer_(peer),
      tap_(tap),
      frontend_(frontend),
      memory_(memory),
      counters_(counters),
      held_bytes_(kMaxFrame) {}

Pass GuestRx::run(bool& notify) {
  const auto pending = ring_.pending();
  if (!pending) {
    fault_ = "guest_rx ring index impossible";
    return Pass::fault;
  }
  std::size_t room = *pending;
  std::size_t count = 0, slots = 0, page = 0;
  std::size_t wanted = 0;  // slots that the frame in hand lacks room for
  bool dry = false;
  while (room > 0 && page < netif::kSlots) {
    Frame& frame = frames_[count];
    if (!next_frame(page, frame)) {
      dry = true;
      break;
    }
    if (!admit(frame)) continue;
    if (frame.slots() > room) {
      wanted = frame.slots();
      hold(frame);
      break;
    }
    page += frame.data_slots();
    room -= frame.slots();
    slots += frame.slots();
    ++count;
  }

  if (count > 0) {
    for (std::size_t i = 0; i < slots; ++i) requests_[i] = ring_.take();
    const auto frames = std::span<const Frame>(frames_).first(count);
    copy_out(frames);
    answer(frames);
    counters_.guest_rx.batches.add();
    notify = ring_.publish();
  }
  starved_ = false;
  if (dry) return Pass::idle;
  if (room > 0 && wanted == 0) return Pass::again;  // the scratch was full
  if (ring_.final_check(static_cast<std::uint32_t>(std::max<std::size_t>(wanted, 1)))) return Pass::again;
  counters_.rx_waits.add();
  starved_ = true;
  return Pass::idle;
}

bool GuestRx::next_frame(std::size_t page, Frame& frame) {
  const auto room = memory_.scratch.from(page);
  if (holding_) {
    holding_ = false;
    frame = held_;
    frame.page = page;
    std::memcpy(room.data(), held_bytes_.data(), frame.length);
    return true;
  }
  std::array<iovec, 2> parts{
      {{&frame.header, sizeof frame.header}, {room.data(), std::min(room.size(), kMaxFrame)}}};
  const ssize_t got = readv(tap_, parts.data(), parts.size());
  if (got <= static_cast<ssize_t>(sizeof frame.header)) return false;
  frame.page = page;
  frame.length = static_cast<std::size_t>(got) - sizeof frame.header;
  frame.gso = (frame.header.gso_type & ~net::vnet::kEcn) != net::vnet::kGsoNone;
  frame.csum_blank = frame.header.flags & net::vnet::kNeedsCsum;
  return true;
}

bool GuestRx::admit(Frame& frame) {
  const auto drop = [&](RxDrop why) {
    counters_.rx_drops[static_cast<std::size_t>(why)].add();
    return false;
  };
  const auto bytes = memory_.scratch.from(frame.page).first(frame.length);
  if (frame.gso) {
    const auto type = frame.header.gso_type & ~net::vnet::kEcn;
    const bool agreed = (type == net::vnet::kGsoTcpV4 && frontend_.gso_tcpv4) ||
                        (type == net::vnet::kGsoTcpV6 && frontend_.gso_tcpv6);
    if (!agreed) return drop(RxDrop::gso_not_agreed);
  } else if (frame.csum_blank) {
    // A front end finds the field by itself, in plain TCP and UDP only; the rest is completed here.
    const auto transport = net::find_transport(bytes);
    const bool offloads = transport && transport->start == frame.header.csum_start &&
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
  std::memcpy(held_bytes_.data(), memory_.scratch.from(frame.page).data(), frame.length);
}

// The k-th data slot of a frame takes the request after the extra-info slot, which follows the first.
void GuestRx::copy_out(std::span<const Frame> frames) {
  memory_.copies.clear();
  std::size_t request = 0;
  for (const Frame& frame : frames) {
    const auto bytes = memory_.scratch.from(frame.page).first(frame.length);
    for (std::size_t k = 0; k < frame.data_slots(); ++k) {
      const auto& to = requests_[request + k + (frame.gso && k > 0 ? 1 : 0)];
      const std::size_t at = k * kPageSize;
      memory_.copies.to_peer(peer_, to.gref, 0, bytes.subspan(at, std::min(kPageSize, frame.length - at)));
    }
    request += frame.slots();
  }
  counters_.guest_rx.copy_calls.add();
  counters_.guest_rx.copies.add(memory_.copies.size());
  // A failure of the whole call marks every segment, and each frame is answered as failed.
  (void)memory_.copies.run(memory_.grants);
}

void GuestRx::answer(std::span<const Frame> frames) {
  std::size_t request = 0, segment = 0;
  for (const Frame& frame : frames) {
    const std::size_t data_slots = frame.data_slots();
    bool copied = true;
    for (std::size_t k = 0; k < data_slots; ++k) copied = copied && memory_.copies.status(segment + k) == 0;
    segment += data_slots;

    std::uint16_t flags = 0;
    if (frame.csum_blank) flags |= netif::rx_flag::kCsumBlank | netif::rx_flag::kDataValidated;
    if (frame.header.flags & net::vnet::kDataValid) flags |= netif::rx_flag::kDataValidated;
    if (frame.gso) flags |= netif::rx_flag::kExtraInfo;
    for (std::size_t k = 0; k < data_slots; ++k) {
      const std::size_t left = frame.length - k * kPageSize;
      const auto size = static_cast<std::int16_t>(std::min(kPageSize, left));
      const bool more = k + 1 < data_slots;
      ring_.put(netif::RxResponse{requests_[request++].id, 0,
                                  static_cast<std::uint16_t>(flags | (more ? netif::rx_flag::kMoreData : 0)),
                                  copied ? size : netif::status::kError});
      flags = 0;
      if (k == 0 && frame.gso) {
        const bool v6 = (frame.header.gso_type & ~net::vnet::kEcn) == net::vnet::kGsoTcpV6;
        const netif::GsoBody gso{frame.header.gso_size,
                                 v6 ? netif::extra::kGsoTcpV6 : netif::extra::kGsoTcpV4, 0, 0};
        netif::ExtraInfo extra{netif::extra::kGso, 0, {}};
        std::memcpy(extra.body, &gso, sizeof gso);
        ring_.put(extra);
        ++request;
      }
    }
    if (!copied) {
      counters_.rx_drops[static_cast<std::size_t>(RxDrop::grant_copy_failed)].add();
      continue;
    }
    counters_.guest_rx.packets.add();
    counters_.guest_rx.bytes.add(frame.length);
    counters_.guest_rx.slots.add(frame.slots());
    if (capture_) capture_->add(memory_.scratch.from(frame.page).first(frame.length));
  }
}

}  // namespace hush::dom0
