// The header that a TAP opened with IFF_VNET_HDR puts before each frame: struct virtio_net_hdr of
// <linux/virtio_net.h> (virtio 1.2, 5.1.6), in the machine's byte order. Written out because that header
// is C only (a member is named `class`).
#pragma once
#include <cstdint>

namespace hush::net {

struct VnetHeader {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t hdr_len;      // all headers of a segmented packet
  std::uint16_t gso_size;     // payload of a segment
  std::uint16_t csum_start;   // where the sum begins, in the frame
  std::uint16_t csum_offset;  // from there to where it is put
};
static_assert(sizeof(VnetHeader) == 10);

namespace vnet {
inline constexpr std::uint8_t kNeedsCsum = 1, kDataValid = 2;                           // flags
inline constexpr std::uint8_t kGsoNone = 0, kGsoTcpV4 = 1, kGsoTcpV6 = 4, kEcn = 0x80;  // gso_type
}  // namespace vnet

}  // namespace hush::net
