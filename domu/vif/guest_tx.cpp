#include "domu/vif/guest_tx.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace hush::domu {
namespace {

constexpr std::size_t kMinFrame = 14;
// Published at the latest after so many slots, so that the back end works while more is read.
constexpr std::uint32_t kBatchSlots = 64;

}  // namespace

GuestTx::GuestTx(netif::TxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap,
                 bool sg, QueueCounters& counters)
    : slots_(ring, grefs),
      buffers_(buffers),
      tap_(tap),
      frame_pages_(sg ? TxSlots::kMaxFramePages : 1),
      counters_(counters),
      whole_(std::make_unique<std::array<std::byte, 16 * kPageSize>>()) {}

Pass GuestTx::run(bool& notify) {
  if (collect() == Pass::fault) return Pass::fault;
  const std::uint32_t before = slots_.position().produced;
  const bool was_starved = std::exchange(starved_, false);
  bool failed = false;
  while (slots_.position().produced - before < kBatchSlots) {
    if (!slots_.room(frame_pages_)) {
      starved_ = true;
      break;
    }
    Frame frame;
    const Read got = read_frame(frame);
    if (got == Read::frame) put(frame);
    failed = got == Read::failed;
    if (failed || got == Read::empty) break;
  }
  if (slots_.unpublished()) {
    notify = slots_.publish();
    counters_.guest_tx.batches.add();
  }
  if (failed) return fail(Fault::tap_lost);
  if (starved_ && !was_starved) counters_.tx_waits.add();
  return Pass::idle;
}

Pass GuestTx::collect() {
  std::uint32_t refused = 0;
  const Fault fault = slots_.collect(refused);
  counters_.tx_drops[static_cast<std::size_t>(TxDrop::backend_refused)].add(refused);
  return fault == Fault::none ? Pass::idle : fail(fault);
}

Pass GuestTx::fail(Fault fault) {
  fault_ = fault;
  return Pass::fault;
}

GuestTx::Read GuestTx::read_frame(Frame& frame) {
  std::array<iovec, TxSlots::kMaxFramePages + 2> parts;
  std::byte beyond;  // a TAP cuts what does not fit, in silence: this byte tells
  std::size_t count = 0;
  parts[count++] = {&header_, sizeof header_};
  for (std::size_t i = 0; i < frame_pages_; ++i)
    parts[count++] = buffers_.kernel_view(slots_.page_at(i), 0, kPageSize);
  parts[count++] = {&beyond, 1};
  const ssize_t got = readv(tap_, parts.data(), static_cast<int>(count));
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Read::empty : Read::failed;
  if (got < static_cast<ssize_t>(sizeof header_ + kMinFrame))
    return got == 0 ? Read::failed : (drop(TxDrop::too_short), Read::dropped);
  frame.length = static_cast<std::size_t>(got) - sizeof header_;
  if (frame.length > std::min(frame_pages_ * kPageSize, TxSlots::kMaxFrame))
    return drop(TxDrop::too_long), Read::dropped;
  return describe(frame) ? Read::frame : Read::dropped;
}

bool GuestTx::describe(Frame& frame) {
  const std::uint8_t type = header_.gso_type & static_cast<std::uint8_t>(~net::vnet::kEcn);
  if (type != net::vnet::kGsoNone) {
    if (type != net::vnet::kGsoTcpV4 && type != net::vnet::kGsoTcpV6) return drop(TxDrop::gso_unknown);
    if (header_.gso_size == 0) return drop(TxDrop::bad_offload);
    frame.gso = {header_.gso_size,
                 type == net::vnet::kGsoTcpV4 ? netif::extra::kGsoTcpV4 : netif::extra::kGsoTcpV6, 0, 0};
    frame.flags |= netif::tx_flag::kExtraInfo;
  }
  if (header_.flags & net::vnet::kDataValid) frame.flags |= netif::tx_flag::kDataValidated;
  if (!(header_.flags & net::vnet::kNeedsCsum)) return true;

  // The protocol does not say where the checksum is: the back end looks for it behind plain IP headers. What
  // it would not find there (the inner packet of a tunnel) is completed here.
  const auto head = std::span(head_).first(std::min(frame.length, head_.size()));
  buffers_.copy_out(slots_.page_at(0), 0, head);
  const auto transport = net::find_transport(head);
  const bool plain =
      transport && transport->start == header_.csum_start && transport->csum_offset == header_.csum_offset;
  if (plain) {
    frame.flags |= netif::tx_flag::kCsumBlank | netif::tx_flag::kDataValidated;
    return true;
  }
  if (frame.gso.type != 0 || !complete_checksum(frame.length)) return drop(TxDrop::bad_offload);
  return true;
}

bool GuestTx::complete_checksum(std::size_t length) {
  const std::size_t field = std::size_t{header_.csum_start} + header_.csum_offset;
  if (field + sizeof(std::uint16_t) > length) return false;
  const auto frame = std::span(*whole_).first(length);
  const auto part = [&](std::size_t at) { return frame.subspan(at, std::min(kPageSize, length - at)); };
  for (std::size_t at = 0; at < length; at += kPageSize)
    buffers_.copy_out(slots_.page_at(at / kPageSize), 0, part(at));
  net::complete_checksum(frame, header_.csum_start, header_.csum_offset);
  for (std::size_t at = 0; at < length; at += kPageSize)
    buffers_.copy_in(slots_.page_at(at / kPageSize), 0, part(at));
  counters_.tx_checksums.add();
  return true;
}

void GuestTx::put(const Frame& frame) {
  slots_.put(frame.length, frame.flags, frame.gso);
  counters_.guest_tx.packets.add();
  counters_.guest_tx.bytes.add(frame.length);
  counters_.guest_tx.slots.add(pages_of(frame.length) + (frame.gso.type != 0 ? 1 : 0));
}

bool GuestTx::drop(TxDrop why) {
  counters_.tx_drops[static_cast<std::size_t>(why)].add();
  return false;
}

}  // namespace hush::domu
