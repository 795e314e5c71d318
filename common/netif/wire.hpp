// Wire layout of the network protocol, <xen/io/netif.h>. Layout and numbers only, no behaviour.
// guest_tx and guest_rx are named from the guest's side in both programs, as in netif.h.
// tests/unit/wire_test.cpp asserts every line of this file against Xen's header.
#pragma once
#include <cstddef>
#include <cstdint>

#include "common/ring/ring.hpp"

namespace hush::netif {

struct TxRequest {
  std::uint32_t gref;
  std::uint16_t offset;  // in the granted page
  std::uint16_t flags;   // TxFlag
  std::uint16_t id;      // echoed in the response
  std::uint16_t size;    // first slot: bytes of the whole packet; later ones: of this slot
};
struct TxResponse {
  std::uint16_t id;
  std::int16_t status;  // Status
};
struct RxRequest {
  std::uint16_t id;
  std::uint16_t pad;
  std::uint32_t gref;
};
struct RxResponse {  // lies in the very slot of its request
  std::uint16_t id;
  std::uint16_t offset;
  std::uint16_t flags;  // RxFlag
  std::int16_t status;  // bytes in this slot, or a negative Status
};
struct ExtraInfo {  // takes a slot of its own, in both directions
  std::uint8_t type;
  std::uint8_t flags;
  std::uint8_t body[6];
};
struct GsoBody {  // ExtraInfo::body where type is kExtraGso
  std::uint16_t size;
  std::uint8_t type;
  std::uint8_t pad;
  std::uint16_t features;
};
struct MulticastBody {  // type is kMcastAdd or kMcastDel
  std::uint8_t address[6];
};
struct HashBody {          // type is kHash
  std::uint8_t type;       // the number of the bit in hash_type
  std::uint8_t algorithm;  // of hash_algorithm
  std::uint8_t value[4];   // in the machine's byte order, as Linux's netback puts and takes it
};
struct CtrlRequest {
  std::uint16_t id;    // echoed in the response
  std::uint16_t type;  // of ctrl
  std::uint32_t data[3];
};
struct CtrlResponse {
  std::uint16_t id;
  std::uint16_t type;    // of the request
  std::uint32_t status;  // of ctrl_status
  std::uint32_t data;
};
static_assert(sizeof(TxRequest) == 12 && offsetof(TxRequest, size) == 10);
static_assert(sizeof(TxResponse) == 4 && sizeof(RxRequest) == 8 && sizeof(RxResponse) == 8);
static_assert(sizeof(ExtraInfo) == 8 && sizeof(GsoBody) == sizeof(ExtraInfo::body));
static_assert(sizeof(MulticastBody) == sizeof(ExtraInfo::body) &&
              sizeof(HashBody) == sizeof(ExtraInfo::body));
static_assert(sizeof(CtrlRequest) == 16 && sizeof(CtrlResponse) == 12);

namespace tx_flag {
inline constexpr std::uint16_t kCsumBlank = 1, kDataValidated = 2, kMoreData = 4, kExtraInfo = 8;
}
namespace rx_flag {  // the first two are swapped against tx_flag: netif.h
inline constexpr std::uint16_t kDataValidated = 1, kCsumBlank = 2, kMoreData = 4, kExtraInfo = 8;
}
namespace status {
inline constexpr std::int16_t kOkay = 0, kError = -1, kDropped = -2, kNull = 1;
}
namespace extra {
inline constexpr std::uint8_t kGso = 1, kMcastAdd = 2, kMcastDel = 3, kHash = 4, kMax = 5;
inline constexpr std::uint8_t kMore = 1;  // ExtraInfo::flags: another one follows
inline constexpr std::uint8_t kGsoTcpV4 = 1, kGsoTcpV6 = 2;
}  // namespace extra
namespace ctrl {  // CtrlRequest::type
inline constexpr std::uint16_t kGetHashFlags = 1, kSetHashFlags = 2, kSetHashKey = 3;
inline constexpr std::uint16_t kGetHashMappingSize = 4, kSetHashMappingSize = 5, kSetHashMapping = 6;
inline constexpr std::uint16_t kSetHashAlgorithm = 7;
inline constexpr std::uint16_t kGetGrefMappingSize = 8, kAddGrefMapping = 9, kDelGrefMapping = 10;
}  // namespace ctrl
namespace ctrl_status {
inline constexpr std::uint32_t kSuccess = 0, kNotSupported = 1, kInvalidParameter = 2, kBufferOverflow = 3;
}
namespace hash_algorithm {
inline constexpr std::uint32_t kNone = 0, kToeplitz = 1;
}
namespace hash_type {  // numbers of bits: HashBody::type as they are, in flags as 1 << number
inline constexpr std::uint8_t kIpv4 = 0, kIpv4Tcp = 1, kIpv6 = 2, kIpv6Tcp = 3;
inline constexpr std::uint32_t kAll = 0xf;
}  // namespace hash_type

using TxSring = ring::Sring<TxRequest, TxResponse>;
using RxSring = ring::Sring<RxRequest, RxResponse>;
using CtrlSring = ring::Sring<CtrlRequest, CtrlResponse>;
using TxFront = ring::FrontRing<TxRequest, TxResponse>;
using RxFront = ring::FrontRing<RxRequest, RxResponse>;
using TxBack = ring::BackRing<TxRequest, TxResponse>;
using RxBack = ring::BackRing<RxRequest, RxResponse>;
using CtrlFront = ring::FrontRing<CtrlRequest, CtrlResponse>;
using CtrlBack = ring::BackRing<CtrlRequest, CtrlResponse>;
inline constexpr std::uint32_t kSlots = TxSring::kSlots;
static_assert(kSlots == 256 && RxSring::kSlots == 256);

}  // namespace hush::netif
