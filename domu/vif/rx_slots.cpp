#include "domu/vif/rx_slots.hpp"

#include <bit>

namespace hush::domu {

RxSlots::RxSlots(netif::RxFront ring, std::span<const std::uint32_t> grefs) : ring_(ring), grefs_(grefs) {
  post(kPages);
  // The back end has not bound its channel yet; it looks at the ring when it does.
  (void)ring_.publish();
}

Fault RxSlots::take(std::uint32_t available, Frame& frame) {
  for (bool more = true; more;) {
    if (frame.slots == available) return Fault::rx_chain_unfinished;
    const auto slot = static_cast<std::uint16_t>(ring_.position().consumed & (kPages - 1));
    const netif::RxResponse response = ring_.take();
    ++frame.slots;
    if (response.id != slot) return Fault::rx_id_mismatch;
    if (frame.count == frame.parts.size()) return Fault::rx_slots_excessive;
    more = response.flags & netif::rx_flag::kMoreData;

    Part part{slot, response.offset, 0};
    if (response.status < 0) {
      frame.failed = true;
    } else {
      if (response.offset + std::size_t{static_cast<std::uint16_t>(response.status)} > kPageSize)
        return Fault::rx_beyond_page;
      part.length = static_cast<std::uint16_t>(response.status);
    }
    frame.parts[frame.count++] = part;
    frame.length += part.length;
    if (frame.count > 1) continue;
    frame.flags = response.flags;
    if (frame.flags & netif::rx_flag::kExtraInfo)
      if (const Fault fault = take_extras(available, frame); fault != Fault::none) return fault;
  }
  return Fault::none;
}

Fault RxSlots::take_extras(std::uint32_t available, Frame& frame) {
  for (;;) {
    if (frame.slots == available) return Fault::rx_chain_unfinished;
    const auto extra = std::bit_cast<netif::ExtraInfo>(ring_.take());
    ++frame.slots;
    if (extra.type == 0 || extra.type >= netif::extra::kMax) return Fault::rx_extra_type_unknown;
    if (extra.type == netif::extra::kGso) {
      const auto gso = std::bit_cast<netif::GsoBody>(std::to_array(extra.body));
      if (gso.size == 0) return Fault::rx_gso_size_zero;
      if (gso.type != netif::extra::kGsoTcpV4 && gso.type != netif::extra::kGsoTcpV6)
        return Fault::rx_gso_type_unknown;
      frame.gso = netif::Gso{gso.size, gso.type == netif::extra::kGsoTcpV6};
    }
    if (!(extra.flags & netif::extra::kMore)) return Fault::none;
  }
}

void RxSlots::post(std::uint32_t slots) {
  for (std::uint32_t i = 0; i < slots; ++i) {
    const auto slot = static_cast<std::uint16_t>(ring_.position().produced & (kPages - 1));
    ring_.put(netif::RxRequest{slot, 0, grefs_[slot]});
  }
}

}  // namespace hush::domu
