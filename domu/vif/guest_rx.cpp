#include "domu/vif/guest_rx.hpp"

#include <algorithm>
#include <array>

namespace hush::domu {
namespace {

constexpr std::size_t kMinFrame = 14;

}  // namespace

GuestRx::GuestRx(netif::RxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap,
                 QueueCounters& counters)
    : slots_(ring, grefs), buffers_(buffers), tap_(tap), counters_(counters) {}

Pass GuestRx::run(bool& notify) {
  const auto pending = slots_.pending();
  if (!pending) {
    fault_ = Fault::rx_index_impossible;
    return Pass::fault;
  }
  if (*pending == 0) return Pass::idle;

  for (std::uint32_t done = 0; done < *pending;) {
    RxSlots::Frame frame;
    fault_ = slots_.take(*pending - done, frame);
    if (fault_ != Fault::none) return Pass::fault;
    deliver(frame);
    slots_.post(frame.slots);
    done += frame.slots;
  }
  notify = slots_.publish();
  counters_.guest_rx.batches.add();
  return Pass::moved;
}

void GuestRx::deliver(const RxSlots::Frame& frame) {
  if (const auto why = send(frame)) {
    counters_.rx_drops[static_cast<std::size_t>(*why)].add();
    return;
  }
  counters_.guest_rx.packets.add();
  counters_.guest_rx.bytes.add(frame.length);
  counters_.guest_rx.slots.add(frame.slots);
}

std::optional<RxDrop> GuestRx::send(const RxSlots::Frame& frame) {
  if (frame.failed) return RxDrop::backend_error;
  if (frame.length < kMinFrame) return RxDrop::too_short;
  if (frame.length > RxSlots::kMaxFrame) return RxDrop::too_long;

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
  for (const RxSlots::Part& part : std::span(frame.parts).first(frame.count)) {
    const std::size_t in_head = std::min<std::size_t>(skip, part.length);
    skip -= in_head;
    if (in_head < part.length)
      out[count++] = buffers_.kernel_view(part.page, part.offset + in_head, part.length - in_head);
  }
  if (writev(tap_, out.data(), static_cast<int>(count)) < 0) return RxDrop::tap_refused;
  return std::nullopt;
}

std::size_t GuestRx::copy_head(const RxSlots::Frame& frame) {
  std::size_t copied = 0;
  for (const RxSlots::Part& part : std::span(frame.parts).first(frame.count)) {
    const std::size_t n = std::min<std::size_t>(part.length, head_.size() - copied);
    buffers_.copy_out(part.page, part.offset, std::span(head_).subspan(copied, n));
    copied += n;
    if (copied == head_.size()) break;
  }
  return copied;
}

std::optional<RxDrop> GuestRx::describe(const RxSlots::Frame& frame, std::span<std::byte> head,
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

}  // namespace hush::domu
