#include "domu/vif/guest_rx.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace hush::domu {
namespace {

// 64 KiB of IP and an Ethernet header with two tags.
constexpr std::size_t kMaxFrame = 65535 + 14 + 2 * 4;
constexpr std::size_t kMinFrame = 14;

}  // namespace

GuestRx::GuestRx(netif::RxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap,
                 QueueCounters& counters)
    : ring_(ring), buffers_(buffers), grefs_(grefs), tap_(tap), counters_(counters) {
  post(kPages);
  // The back end has not bound its channel yet; it looks at the ring when it does.
  (void)ring_.publish();
}

Pass GuestRx::run(bool& notify) {
  const auto pending = ring_.pending();
  if (!pending) {
    fault_ = Fault::rx_index_impossible;
    return Pass::fault;
  }
  if (*pending == 0) return Pass::idle;

  for (std::uint32_t done = 0; done < *pending;) {
    Frame frame;
    fault_ = take(*pending - done, frame);
    if (fault_ != Fault::none) return Pass::fault;
    deliver(frame);
    post(frame.slots);
    done += frame.slots;
  }
  notify = ring_.publish();
  counters_.guest_rx.batches.add();
  return Pass::moved;
}

Fault GuestRx::take(std::uint32_t available, Frame& frame) {
  for (bool more = true; more;) {
    if (frame.slots == available) return Fault::rx_chain_unfinished;
    const auto slot = static_cast<std::uint16_t>(ring_.position().consumed & (kPages - 1));
    const netif::RxResponse response = ring_.take();
    ++frame.slots;
    if (response.id != slot) return Fault::rx_id_mismatch;
    if (frame.count == frame.parts.size()) return Fault::rx_slots_excessive;
    more = response.flags & netif::rx_flag::kMoreData;

    Part part{slot, response.offset, 0};
    if (response.status < 0) {
      frame.failed = true;
    } else {
      if (response.offset + std::size_t{static_cast<std::uint16_t>(response.status)} > kPageSize)
        return Fault::rx_beyond_page;
      part.length = static_cast<std::uint16_t>(response.status);
    }
    frame.parts[frame.count++] = part;
    frame.length += part.length;
    if (frame.count > 1) continue;
    frame.flags = response.flags;
    if (frame.flags & netif::rx_flag::kExtraInfo)
      if (const Fault fault = take_extras(available, frame); fault != Fault::none) return fault;
  }
  return Fault::none;
}

Fault GuestRx::take_extras(std::uint32_t available, Frame& frame) {
  for (;;) {
    if (frame.slots == available) return Fault::rx_chain_unfinished;
    const auto extra = std::bit_cast<netif::ExtraInfo>(ring_.take());
    ++frame.slots;
    if (extra.type == 0 || extra.type >= netif::extra::kMax) return Fault::rx_extra_type_unknown;
    if (extra.type == netif::extra::kGso) {
      const auto gso = std::bit_cast<netif::GsoBody>(std::to_array(extra.body));
      if (gso.size == 0) return Fault::rx_gso_size_zero;
      if (gso.type != netif::extra::kGsoTcpV4 && gso.type != netif::extra::kGsoTcpV6)
        return Fault::rx_gso_type_unknown;
      frame.gso = netif::Gso{gso.size, gso.type == netif::extra::kGsoTcpV6};
    }
    if (!(extra.flags & netif::extra::kMore)) return Fault::none;
  }
}

void GuestRx::deliver(const Frame& frame) {
  if (const auto why = send(frame)) {
    counters_.rx_drops[static_cast<std::size_t>(*why)].add();
    return;
  }
  counters_.guest_rx.packets.add();
  counters_.guest_rx.bytes.add(frame.length);
  counters_.guest_rx.slots.add(frame.slots);
}

std::optional<RxDrop> GuestRx::send(const Frame& frame) {
  if (frame.failed) return RxDrop::backend_error;
  if (frame.length < kMinFrame) return RxDrop::too_short;
  if (frame.length > kMaxFrame) return RxDrop::too_long;

  net::VnetHeader header{};
  const std::size_t copied = copy_head(frame);
  const auto head = std::span(head_).first(copied);
  if (const auto why = describe(frame, head, header)) return why;

  // The header, the head as it was looked at, and what the head does not hold.
  std::array<iovec, 2 + netif::kMaxDataSlots> out;
  out[0] = {&header, sizeof header};
  out[1] = {head.data(), head.size()};
  std::size_t count = 2;
  std::size_t skip = copied;
  for (const Part& part : std::span(frame.parts).first(frame.count)) {
    const std::size_t in_head = std::min<std::size_t>(skip, part.length);
    skip -= in_head;
    if (in_head < part.length)
      out[count++] = buffers_.kernel_view(part.page, part.offset + in_head, part.length - in_head);
  }
  if (writev(tap_, out.data(), static_cast<int>(count)) < 0) return RxDrop::tap_refused;
  return std::nullopt;
}

std::size_t GuestRx::copy_head(const Frame& frame) {
  std::size_t copied = 0;
  for (const Part& part : std::span(frame.parts).first(frame.count)) {
    const std::size_t n = std::min<std::size_t>(part.length, head_.size() - copied);
    buffers_.copy_out(part.page, part.offset, std::span(head_).subspan(copied, n));
    copied += n;
    if (copied == head_.size()) break;
  }
  return copied;
}

std::optional<RxDrop> GuestRx::describe(const Frame& frame, std::span<std::byte> head,
                                        net::VnetHeader& header) {
  const bool blank = frame.flags & netif::rx_flag::kCsumBlank;
  if (!blank && !frame.gso) {
    if (frame.flags & netif::rx_flag::kDataValidated) header.flags = net::vnet::kDataValid;
    return std::nullopt;
  }
  const auto transport = net::find_transport(head);
  if (!transport || transport->header_bytes > frame.length) return RxDrop::no_csum_header;
  header.flags = net::vnet::kNeedsCsum;
  header.csum_start = transport->start;
  header.csum_offset = transport->csum_offset;
  if (!frame.gso) return std::nullopt;

  if (!transport->tcp || transport->ipv6 != frame.gso->ipv6) return RxDrop::gso_mismatch;
  header.gso_type = frame.gso->ipv6 ? net::vnet::kGsoTcpV6 : net::vnet::kGsoTcpV4;
  header.gso_size = frame.gso->size;
  header.hdr_len = transport->header_bytes;
  if (!blank) {
    // Segmentation implies a checksum to be filled in; some back ends forget to say so.
    net::set_pseudo_checksum(head, *transport, frame.length - transport->start);
    counters_.rx_gso_checksum_fixup.add();
  }
  return std::nullopt;
}

void GuestRx::post(std::uint32_t slots) {
  for (std::uint32_t i = 0; i < slots; ++i) {
    const auto slot = static_cast<std::uint16_t>(ring_.position().produced & (kPages - 1));
    ring_.put(netif::RxRequest{slot, 0, grefs_[slot]});
  }
}

}  // namespace hush::domu
