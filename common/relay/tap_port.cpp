#include "common/relay/tap_port.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/step.hpp"

namespace hush::relay {
namespace {

// The most that one read of a TAP can bring: 64 KiB of IP and an Ethernet header with two tags.
constexpr std::size_t kLongestRead = 65535 + 14 + 2 * 4;
constexpr std::uint32_t kUsualFrame = 1514;

}  // namespace

net::VnetHeader header_of(const area::Record& record) {
  return {.flags = record.flags,
          .gso_type = record.segmentation,
          .hdr_len = record.header_length,
          .gso_size = record.segment_size,
          .csum_start = record.checksum_start,
          .csum_offset = record.checksum_offset};
}

area::Record record_of(const net::VnetHeader& header, std::uint32_t length) {
  area::Record record{.length = length};
  record.flags = header.flags & (area::kNeedsChecksum | area::kChecksumKnownGood);
  if (record.flags & area::kNeedsChecksum) {
    record.checksum_start = header.csum_start;
    record.checksum_offset = header.csum_offset;
  }
  if (header.gso_type != net::vnet::kGsoNone) {
    record.segmentation = header.gso_type;
    record.segment_size = header.gso_size;
    record.header_length = header.hdr_len;
  }
  return record;
}

TapPort::TapPort(int tap) : tap_(tap), spill_(kLongestRead + 1), expected_(kUsualFrame) {}

void TapPort::turn(Exchange& exchange) {
  take(exchange);
  give(exchange);
}

void TapPort::take(Exchange& exchange) {
  area::Frame frame;
  for (std::uint32_t i = 0; i < kBatch && exchange.in.peek(frame); ++i) {
    if (exchange.meter && !exchange.meter->admits(frame.record.length)) {
      exchange.in.put_back(frame);
      exchange.short_of_credit = true;
      return;
    }
    if (!area::offload_is_sound(frame.record)) {
      exchange.taken.drop(Drop::bad_offload);
      continue;
    }
    net::VnetHeader header = header_of(frame.record);
    // writev takes no const; it only reads.
    const std::array<iovec, 2> parts{
        {{&header, sizeof header}, {const_cast<std::byte*>(frame.bytes.data()), frame.bytes.size()}}};
    if (writev(tap_, parts.data(), parts.size()) < 0) {
      exchange.taken.drop(Drop::refused);
      continue;
    }
    HUSH_STEP("area-tx-written");
    exchange.took();
    HUSH_STEP("area-tx-took");
    if (capture_) capture_->add(frame.bytes);
    exchange.taken.passed(frame.record.length);
  }
}

void TapPort::give(Exchange& exchange) {
  lacks_room_ = 0;
  if (exchange.out_stalled) return drop_all(exchange.given);
  for (std::uint32_t i = 0; i < kBatch; ++i) {
    if (held_ != 0) {
      if (!give_held(exchange.out, exchange.given)) return;
      continue;
    }
    if (read_frame(exchange.out, exchange.given) == Read::nothing) return;
  }
}

bool TapPort::give_held(area::SharedProducer& out, Tally& tally) {
  std::byte* const place = out.reserve(held_);
  if (!place) {
    lacks_room_ = held_;
    return false;
  }
  std::memcpy(place, spill_.data(), held_);
  out.commit(record_of(header_, held_));
  if (capture_) capture_->add(std::span(spill_).first(held_));
  tally.passed(std::exchange(held_, 0));
  return true;
}

// Into the room that there is in one piece, and what does not fit there into the spill, right behind where
// the first part goes when the frame has to wait.
TapPort::Read TapPort::read_frame(area::SharedProducer& out, Tally& tally) {
  expected_ = std::min(expected_, out.max_frame());
  const std::span<std::byte> place = out.reserve_from(expected_);
  if (place.empty()) {
    if (out.fault() == area::Fault::none) lacks_room_ = expected_;
    return Read::nothing;
  }
  const std::array<iovec, 3> parts{{{&header_, sizeof header_},
                                    {place.data(), place.size()},
                                    {spill_.data() + place.size(), spill_.size() - place.size()}}};
  const ssize_t got = readv(tap_, parts.data(), parts.size());
  if (nothing(got)) return Read::nothing;
  const std::size_t length =
      static_cast<std::size_t>(got) - std::min(static_cast<std::size_t>(got), sizeof header_);
  if (length < area::kMinFrame) return tally.drop(Drop::too_short), Read::dropped;
  if (length > out.max_frame()) return tally.drop(Drop::too_long), Read::dropped;
  expected_ = static_cast<std::uint32_t>(length);
  HUSH_STEP("area-rx-read");
  if (length > place.size()) {
    std::memcpy(spill_.data(), place.data(), place.size());
    held_ = expected_;
    return Read::frame;
  }
  out.commit(record_of(header_, expected_));
  HUSH_STEP("area-rx-committed");
  if (capture_) capture_->add(place.first(length));
  tally.passed(expected_);
  return Read::frame;
}

void TapPort::drop_all(Tally& tally) {
  if (std::exchange(held_, 0) != 0) tally.drop(Drop::peer_stalled);
  for (std::uint32_t i = 0; i < kBatch; ++i) {
    if (nothing(read(tap_, spill_.data(), spill_.size()))) return;
    tally.drop(Drop::peer_stalled);
  }
}

bool TapPort::nothing(ssize_t got) {
  if (got < 0 && errno != EAGAIN && errno != EINTR) fault_ = "its TAP is gone";
  return got <= 0;
}

}  // namespace hush::relay
