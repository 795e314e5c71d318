// Any bytes as a frame: the header that is found lies inside, and its checksum can be written and completed.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "common/net/frame.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::unique_ptr<std::byte[]> copy(new std::byte[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const std::span<std::byte> frame{copy.get(), size};
  const auto transport = hush::net::find_transport(frame);
  if (!transport) return 0;
  if (transport->header_bytes > size ||
      transport->start + transport->csum_offset + 2 > transport->header_bytes)
    std::abort();
  hush::net::set_pseudo_checksum(frame.first(transport->header_bytes), *transport, size - transport->start);
  hush::net::complete_checksum(frame, transport->start, transport->csum_offset);
  // Complete: with the pseudo-header the whole sums to ones, whatever the bytes are. Looked at again, the
  // same header is found: nothing but the checksum was written.
  const auto again = hush::net::find_transport(frame);
  if (!again || again->start != transport->start || again->header_bytes != transport->header_bytes)
    std::abort();
  return 0;
}
