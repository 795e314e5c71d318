// An area, made and granted to the back end (common/area/README.md, section 3). Control thread; the table
// outlives it. Pages that the back end still maps at the end stay with the kernel until it lets go.
#pragma once
#include "common/area/layout.hpp"
#include "common/result.hpp"
#include "common/xen/grant_share.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::domu {

class SharedArea {
 public:
  // The first area of a connection. Rings: bytes, powers of two from area::kMinRing to area::kMaxRing. port:
  // own, of guest_tx's channel; when this process ends, however it ends, the back end is told by its byte in
  // the header page and an event there.
  static Result<SharedArea> create(xen::GrantShare& shares, DomId peer, std::uint32_t guest_tx_ring,
                                   std::uint32_t guest_rx_ring, EvtchnPort port);

  [[nodiscard]] xenstore::AreaAddress address() const {
    return {Gref{header_page_.grefs().front()}, header_.pages};
  }
  [[nodiscard]] const area::Header& header() const { return header_; }
  [[nodiscard]] area::HeaderPage& page() const {
    return shm::layout_at<area::HeaderPage>(header_page_.base());
  }
  [[nodiscard]] shm::ByteRing guest_tx() const { return area::guest_tx_ring(rings_.base(), header_); }
  [[nodiscard]] shm::ByteRing guest_rx() const { return area::guest_rx_ring(rings_.base(), header_); }

 private:
  xen::SharedPages header_page_, index_, rings_;
  area::Header header_;
};

}  // namespace hush::domu
