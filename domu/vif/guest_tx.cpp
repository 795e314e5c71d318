#include "domu/vif/guest_tx.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

namespace hush::domu {
namespace {

// TxRequest::size of the first slot says the whole packet, in 16 bits.
constexpr std::size_t kMaxFrame = 65535;
constexpr std::size_t kMinFrame = 14;
constexpr std::size_t kMaxFramePages = (kMaxFrame + kPageSize - 1) / kPageSize;
// Published at the latest after so many slots, so that the back end works while more is read.
constexpr std::uint32_t kBatchSlots = 64;

}  // namespace

GuestTx::GuestTx(netif::TxFront ring, shm::PageRun buffers, std::span<const std::uint32_t> grefs, int tap,
                 bool sg, QueueCounters& counters)
    : ring_(ring),
      buffers_(buffers),
      grefs_(grefs),
      tap_(tap),
      frame_pages_(sg ? kMaxFramePages : 1),
      counters_(counters),
      whole_(std::make_unique<std::array<std::byte, 16 * kPageSize>>()) {
  for (std::uint32_t i = 0; i < kPages; ++i) free_[i] = static_cast<std::uint16_t>(kPages - 1 - i);
}

Pass GuestTx::run(bool& notify) {
  if (collect() == Pass::fault) return Pass::fault;
  const std::uint32_t before = ring_.position().produced;
  const bool was_starved = std::exchange(starved_, false);
  bool failed = false;
  while (ring_.position().produced - before < kBatchSlots) {
    if (!room()) {
      starved_ = true;
      break;
    }
    Frame frame;
    const Read got = read_frame(frame);
    if (got == Read::frame) put(frame);
    failed = got == Read::failed;
    if (failed || got == Read::empty) break;
  }
  if (ring_.unpublished()) {
    notify = ring_.publish();
    counters_.guest_tx.batches.add();
  }
  if (failed) return fail(Fault::tap_lost);
  if (starved_ && !was_starved) counters_.tx_waits.add();
  return Pass::idle;
}

// Everything out will be answered: an event at half of it, so that the back end has work meanwhile.
bool GuestTx::ask_for_event() {
  const auto at = ring_.position();
  return ring_.final_check(std::max((at.produced - at.consumed) / 2, 1U));
}

// The largest frame and an extra-info slot.
bool GuestTx::room() const {
  return free_count_ >= frame_pages_ && ring_.room() > frame_pages_;
}

Pass GuestTx::collect() {
  const auto pending = ring_.pending();
  if (!pending) return fail(Fault::tx_index_impossible);
  for (std::uint32_t i = 0; i < *pending; ++i) {
    const netif::TxResponse response = ring_.take();
    if (response.status == netif::status::kNull) {
      if (extras_outstanding_ == 0) return fail(Fault::tx_null_unasked);
      --extras_outstanding_;
      continue;
    }
    if (response.id >= kPages) return fail(Fault::tx_id_out_of_range);
    if (!outstanding_[response.id]) return fail(Fault::tx_id_not_outstanding);
    outstanding_.reset(response.id);
    free_[free_count_++] = response.id;
    if (response.status != netif::status::kOkay) drop(TxDrop::backend_refused);
  }
  return Pass::idle;
}

Pass GuestTx::fail(Fault fault) {
  fault_ = fault;
  return Pass::fault;
}

GuestTx::Read GuestTx::read_frame(Frame& frame) {
  std::array<iovec, kMaxFramePages + 2> parts;
  std::byte beyond;  // a TAP cuts what does not fit, in silence: this byte tells
  std::size_t count = 0;
  parts[count++] = {&header_, sizeof header_};
  for (std::size_t i = 0; i < frame_pages_; ++i)
    parts[count++] = buffers_.kernel_view(page_at(i), 0, kPageSize);
  parts[count++] = {&beyond, 1};
  const ssize_t got = readv(tap_, parts.data(), static_cast<int>(count));
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Read::empty : Read::failed;
  if (got < static_cast<ssize_t>(sizeof header_ + kMinFrame))
    return got == 0 ? Read::failed : (drop(TxDrop::too_short), Read::dropped);
  frame.length = static_cast<std::size_t>(got) - sizeof header_;
  if (frame.length > std::min(frame_pages_ * kPageSize, kMaxFrame))
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
  buffers_.copy_out(page_at(0), 0, head);
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
    buffers_.copy_out(page_at(at / kPageSize), 0, part(at));
  net::complete_checksum(frame, header_.csum_start, header_.csum_offset);
  for (std::size_t at = 0; at < length; at += kPageSize)
    buffers_.copy_in(page_at(at / kPageSize), 0, part(at));
  counters_.tx_checksums.add();
  return true;
}

void GuestTx::put(const Frame& frame) {
  const std::size_t pages = (frame.length + kPageSize - 1) / kPageSize;
  for (std::size_t i = 0; i < pages; ++i) {
    const std::uint16_t page = page_at(i);
    const std::size_t rest = frame.length - i * kPageSize;
    netif::TxRequest request{grefs_[page], 0, 0, page, 0};
    request.size = static_cast<std::uint16_t>(i == 0 ? frame.length : std::min(rest, kPageSize));
    if (i == 0) request.flags = frame.flags;
    if (i + 1 < pages) request.flags |= netif::tx_flag::kMoreData;
    ring_.put(request);
    outstanding_.set(page);
    if (i == 0 && frame.gso.type != 0) {
      netif::ExtraInfo extra{netif::extra::kGso, 0, {}};
      const auto body = std::bit_cast<std::array<std::uint8_t, sizeof extra.body>>(frame.gso);
      std::copy(body.begin(), body.end(), extra.body);
      ring_.put(extra);
      ++extras_outstanding_;
    }
  }
  free_count_ -= pages;
  counters_.guest_tx.packets.add();
  counters_.guest_tx.bytes.add(frame.length);
  counters_.guest_tx.slots.add(pages + (frame.gso.type != 0 ? 1 : 0));
}

bool GuestTx::drop(TxDrop why) {
  counters_.tx_drops[static_cast<std::size_t>(why)].add();
  return false;
}

}  // namespace hush::domu
