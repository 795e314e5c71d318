// A record of a packet ring: sixteen bytes before each frame (README.md, section 4).
#pragma once
#include <cstdint>

#include "common/shm/shared_memory.hpp"

namespace hush::area {

enum class Kind : std::uint16_t { frame = 0, skip = 1, switch_over = 2 };

inline constexpr std::uint8_t kNeedsChecksum = 1;  // flags
inline constexpr std::uint8_t kChecksumKnownGood = 2;
inline constexpr std::uint8_t kSegmentTcp4 = 1;  // segmentation, as in virtio_net_hdr
inline constexpr std::uint8_t kSegmentTcp6 = 4;
inline constexpr std::uint8_t kSegmentEcn = 128;

struct Record {
  std::uint32_t length = 0;
  Kind kind = Kind::frame;
  std::uint8_t flags = 0;
  std::uint8_t segmentation = 0;
  std::uint16_t header_length = 0;
  std::uint16_t segment_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
inline constexpr std::uint32_t kRecordBytes = 16;
static_assert(sizeof(Record) == kRecordBytes && shm::WirePod<Record>);

inline constexpr std::uint32_t kMinFrame = 14;
inline constexpr std::uint32_t kMaxFrame = 65550;  // an Ethernet header and a segment of 64 KiB

// Bytes that a record with a frame of this length takes in the ring. length <= UINT32_MAX - 31.
constexpr std::uint32_t span_of(std::uint32_t length) {
  return kRecordBytes + ((length + 15) & ~15U);
}

// Do a frame's offload fields agree with each other and with its length? Where not, that frame alone is
// dropped.
constexpr bool offload_is_sound(const Record& r) {
  if (r.flags & ~(kNeedsChecksum | kChecksumKnownGood)) return false;
  const bool needs_checksum = r.flags & kNeedsChecksum;
  if (needs_checksum && std::uint32_t{r.checksum_start} + r.checksum_offset + 2 > r.length) return false;
  if (r.segmentation == 0) return r.segment_size == 0;
  const auto kind = static_cast<std::uint8_t>(r.segmentation & ~kSegmentEcn);
  return (kind == kSegmentTcp4 || kind == kSegmentTcp6) && needs_checksum && r.segment_size != 0;
}

}  // namespace hush::area
