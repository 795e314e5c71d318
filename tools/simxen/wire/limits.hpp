// Sizes that the library and the server agree on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hush::simxen {

inline constexpr size_t kPageSize = 4096;
// 64 grant frames of 512 version 1 entries: Xen's default for a domain. Page g of a domain's memory is grant
// g's page.
inline constexpr uint32_t kGrants = 32768;
inline constexpr size_t kDomainBytes = kGrants * kPageSize;
// As Linux: references 0 to 7 are reserved, 0 is the console's and 1 xenstore's.
inline constexpr uint32_t kXenstoreGref = 1;
inline constexpr uint32_t kFirstGref = 8;
inline constexpr uint32_t kDomids = 1024;
inline constexpr uint32_t kDom0Ports = 8192;
// libxl's default max_event_channels.
inline constexpr uint32_t kGuestPorts = 1024;
// Linux's default of xen-gntalloc's "limit", in pages.
inline constexpr uint32_t kDefaultGrantLimit = 1024;
// Every domain's channel to the store is its first.
inline constexpr uint32_t kStorePort = 1;
inline constexpr uint32_t kNoNotify = ~0U;

}  // namespace hush::simxen
