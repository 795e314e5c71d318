// Is our wire layout Xen's? Every struct, offset and number of common/netif/wire.hpp against <xen/io/netif.h>
// and <xen/io/ring.h>. All of it is decided at compile time: a difference is a build failure.
#include "common/netif/wire.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>

#include "common/netif/assemble.hpp"
#include "tests/support/xen_ring.hpp"

namespace hush::netif {
namespace {

#define SAME_STRUCT(ours, xens) static_assert(sizeof(ours) == sizeof(xens) && alignof(ours) == alignof(xens))
#define SAME_FIELD(ours, our_field, xens, xen_field)                     \
  static_assert(offsetof(ours, our_field) == offsetof(xens, xen_field)); \
  static_assert(sizeof(ours::our_field) == sizeof(xens::xen_field));     \
  static_assert(std::is_signed_v<decltype(ours::our_field)> == std::is_signed_v<decltype(xens::xen_field)>)

SAME_STRUCT(TxRequest, netif_tx_request);
SAME_FIELD(TxRequest, gref, netif_tx_request, gref);
SAME_FIELD(TxRequest, offset, netif_tx_request, offset);
SAME_FIELD(TxRequest, flags, netif_tx_request, flags);
SAME_FIELD(TxRequest, id, netif_tx_request, id);
SAME_FIELD(TxRequest, size, netif_tx_request, size);

SAME_STRUCT(TxResponse, netif_tx_response);
SAME_FIELD(TxResponse, id, netif_tx_response, id);
SAME_FIELD(TxResponse, status, netif_tx_response, status);

SAME_STRUCT(RxRequest, netif_rx_request);
SAME_FIELD(RxRequest, id, netif_rx_request, id);
SAME_FIELD(RxRequest, pad, netif_rx_request, pad);
SAME_FIELD(RxRequest, gref, netif_rx_request, gref);

SAME_STRUCT(RxResponse, netif_rx_response);
SAME_FIELD(RxResponse, id, netif_rx_response, id);
SAME_FIELD(RxResponse, offset, netif_rx_response, offset);
SAME_FIELD(RxResponse, flags, netif_rx_response, flags);
SAME_FIELD(RxResponse, status, netif_rx_response, status);

static_assert(sizeof(ExtraInfo) == sizeof(netif_extra_info));
SAME_FIELD(ExtraInfo, type, netif_extra_info, type);
SAME_FIELD(ExtraInfo, flags, netif_extra_info, flags);
static_assert(offsetof(ExtraInfo, body) == offsetof(netif_extra_info, u));
static_assert(sizeof(ExtraInfo::body) == sizeof(netif_extra_info::u));

using XenGso = decltype(netif_extra_info{}.u.gso);
SAME_STRUCT(GsoBody, XenGso);
SAME_FIELD(GsoBody, size, XenGso, size);
SAME_FIELD(GsoBody, type, XenGso, type);
SAME_FIELD(GsoBody, pad, XenGso, pad);
SAME_FIELD(GsoBody, features, XenGso, features);

using XenMcast = decltype(netif_extra_info{}.u.mcast);
SAME_STRUCT(MulticastBody, XenMcast);
SAME_FIELD(MulticastBody, address, XenMcast, addr);

using XenHash = decltype(netif_extra_info{}.u.hash);
SAME_STRUCT(HashBody, XenHash);
SAME_FIELD(HashBody, type, XenHash, type);
SAME_FIELD(HashBody, algorithm, XenHash, algorithm);
SAME_FIELD(HashBody, value, XenHash, value);

SAME_STRUCT(CtrlRequest, xen_netif_ctrl_request);
SAME_FIELD(CtrlRequest, id, xen_netif_ctrl_request, id);
SAME_FIELD(CtrlRequest, type, xen_netif_ctrl_request, type);
SAME_FIELD(CtrlRequest, data, xen_netif_ctrl_request, data);
SAME_STRUCT(CtrlResponse, xen_netif_ctrl_response);
SAME_FIELD(CtrlResponse, id, xen_netif_ctrl_response, id);
SAME_FIELD(CtrlResponse, type, xen_netif_ctrl_response, type);
SAME_FIELD(CtrlResponse, status, xen_netif_ctrl_response, status);
SAME_FIELD(CtrlResponse, data, xen_netif_ctrl_response, data);

static_assert(tx_flag::kCsumBlank == NETTXF_csum_blank);
static_assert(tx_flag::kDataValidated == NETTXF_data_validated);
static_assert(tx_flag::kMoreData == NETTXF_more_data);
static_assert(tx_flag::kExtraInfo == NETTXF_extra_info);
static_assert(rx_flag::kDataValidated == NETRXF_data_validated);
static_assert(rx_flag::kCsumBlank == NETRXF_csum_blank);
static_assert(rx_flag::kMoreData == NETRXF_more_data);
static_assert(rx_flag::kExtraInfo == NETRXF_extra_info);

static_assert(status::kOkay == NETIF_RSP_OKAY);
static_assert(status::kError == NETIF_RSP_ERROR);
static_assert(status::kDropped == NETIF_RSP_DROPPED);
static_assert(status::kNull == NETIF_RSP_NULL);

static_assert(extra::kGso == XEN_NETIF_EXTRA_TYPE_GSO);
static_assert(extra::kMcastAdd == XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
static_assert(extra::kMcastDel == XEN_NETIF_EXTRA_TYPE_MCAST_DEL);
static_assert(extra::kHash == XEN_NETIF_EXTRA_TYPE_HASH);
static_assert(extra::kMax == XEN_NETIF_EXTRA_TYPE_MAX);
static_assert(extra::kMore == XEN_NETIF_EXTRA_FLAG_MORE);
static_assert(extra::kGsoTcpV4 == XEN_NETIF_GSO_TYPE_TCPV4);
static_assert(extra::kGsoTcpV6 == XEN_NETIF_GSO_TYPE_TCPV6);
static_assert(ctrl::kGetHashFlags == XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS);
static_assert(ctrl::kSetHashFlags == XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS);
static_assert(ctrl::kSetHashKey == XEN_NETIF_CTRL_TYPE_SET_HASH_KEY);
static_assert(ctrl::kGetHashMappingSize == XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE);
static_assert(ctrl::kSetHashMappingSize == XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE);
static_assert(ctrl::kSetHashMapping == XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING);
static_assert(ctrl::kSetHashAlgorithm == XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM);
static_assert(ctrl::kGetGrefMappingSize == XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE);
static_assert(ctrl::kAddGrefMapping == XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
static_assert(ctrl::kDelGrefMapping == XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING);
static_assert(ctrl_status::kSuccess == XEN_NETIF_CTRL_STATUS_SUCCESS);
static_assert(ctrl_status::kNotSupported == XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
static_assert(ctrl_status::kInvalidParameter == XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
static_assert(ctrl_status::kBufferOverflow == XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
static_assert(hash_algorithm::kNone == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE);
static_assert(hash_algorithm::kToeplitz == XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
static_assert(hash_type::kIpv4 == _XEN_NETIF_CTRL_HASH_TYPE_IPV4);
static_assert(hash_type::kIpv4Tcp == _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
static_assert(hash_type::kIpv6 == _XEN_NETIF_CTRL_HASH_TYPE_IPV6);
static_assert(hash_type::kIpv6Tcp == _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP);
static_assert(hash_type::kAll == (XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |
                                  XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP));
static_assert(kMaxDataSlots == XEN_NETIF_NR_SLOTS_MIN + 1);

// The ring page. Sring's words are private to common/shm, so their order is asserted by offset.
template <class Ours, class Xens>
constexpr bool same_ring() {
  return offsetof(Ours, req_prod) == offsetof(Xens, req_prod) &&
         offsetof(Ours, req_event) == offsetof(Xens, req_event) &&
         offsetof(Ours, rsp_prod) == offsetof(Xens, rsp_prod) &&
         offsetof(Ours, rsp_event) == offsetof(Xens, rsp_event) &&
         offsetof(Ours, reserved) == offsetof(Xens, pvt) &&
         sizeof(Ours::reserved) == sizeof(Xens::pvt) + sizeof(Xens::__pad) &&
         offsetof(Ours, slot) == offsetof(Xens, ring) && sizeof(Ours::slot[0]) == sizeof(Xens::ring[0]) &&
         sizeof(Ours) <= kPageSize && alignof(Ours) == alignof(Xens);
}
static_assert(same_ring<TxSring, netif_tx_sring>());
static_assert(same_ring<RxSring, netif_rx_sring>());
static_assert(same_ring<CtrlSring, xen_netif_ctrl_sring>());
static_assert(CtrlSring::kSlots == __CONST_RING_SIZE(xen_netif_ctrl, kPageSize));
static_assert(TxSring::kSlots == __CONST_RING_SIZE(netif_tx, kPageSize));
static_assert(RxSring::kSlots == __CONST_RING_SIZE(netif_rx, kPageSize));

// Other message sizes than netif's: the slot count follows the same rule as Xen's.
struct Wide {
  std::uint32_t words[7];
};
struct Narrow {
  std::uint32_t word;
};
DEFINE_RING_TYPES(wide, Wide, Narrow);
static_assert(ring::Sring<Wide, Narrow>::kSlots == __CONST_RING_SIZE(wide, kPageSize));
static_assert(same_ring<ring::Sring<Wide, Narrow>, wide_sring>());

#undef SAME_STRUCT
#undef SAME_FIELD

// What an extra-info looks like in a request's slot, byte for byte (the union members of netif.h overlap).
TEST(Wire, GsoExtraHasXensBytes) {
  netif_extra_info xens{};
  xens.type = XEN_NETIF_EXTRA_TYPE_GSO;
  xens.flags = XEN_NETIF_EXTRA_FLAG_MORE;
  xens.u.gso.size = 1448;
  xens.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV6;
  xens.u.gso.features = 0x0102;
  const auto ours = std::bit_cast<ExtraInfo>(xens);
  EXPECT_EQ(ours.type, extra::kGso);
  EXPECT_EQ(ours.flags, extra::kMore);
  const auto gso = std::bit_cast<GsoBody>(ours.body);
  EXPECT_EQ(gso.size, 1448);
  EXPECT_EQ(gso.type, extra::kGsoTcpV6);
  EXPECT_EQ(gso.features, 0x0102);
}

}  // namespace
}  // namespace hush::netif
