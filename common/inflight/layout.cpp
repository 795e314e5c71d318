#include "common/inflight/layout.hpp"

#include <boost/crc.hpp>

namespace hush::inflight {

std::uint32_t checksum_of(const Header& header) {
  boost::crc_32_type crc;
  crc.process_bytes(&header, offsetof(Header, checksum));
  return crc.checksum();
}

Header header_of(const Geometry& geometry, const Identity& identity) {
  Header header{.slots = geometry.slots,
                .request_words = geometry.request_words,
                .order = static_cast<std::uint32_t>(geometry.order),
                .peer = identity.peer.value,
                .handle = identity.handle,
                .queue = identity.queue,
                .ring = static_cast<std::uint32_t>(identity.ring),
                .ring_ref = identity.ring_ref.value,
                .port = identity.port.value,
                .session_low = static_cast<std::uint32_t>(identity.session),
                .session_high = static_cast<std::uint32_t>(identity.session >> 32)};
  header.checksum = checksum_of(header);
  return header;
}

}  // namespace hush::inflight
