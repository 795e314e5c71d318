// An area of a front end, mapped (common/area/README.md, sections 2 and 3). Every page is checked before it
// is used: header and index pages are copied first, and the copies decide.
//
// Not thread-safe: of the thread of its grant table, which outlives it.
#pragma once
#include <cstdint>

#include "common/area/layout.hpp"
#include "common/result.hpp"
#include "common/xen/grant_table.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class MappedArea {
 public:
  // port: own, of guest_tx's channel; when this process ends, however it ends, the front end is told by its
  // byte in the header page and an event there. max_pages: what this back end allows. The error is the reason
  // of a refusal.
  static Result<MappedArea> map(xen::GrantTable& grants, DomId peer, const xenstore::AreaAddress& address,
                                std::uint32_t max_pages, EvtchnPort port);

  [[nodiscard]] const area::Header& header() const { return header_; }
  [[nodiscard]] area::HeaderPage& page() const {
    return shm::layout_at<area::HeaderPage>(header_page_.base());
  }
  [[nodiscard]] shm::ByteRing guest_tx() const { return area::guest_tx_ring(rings_.base(), header_); }
  [[nodiscard]] shm::ByteRing guest_rx() const { return area::guest_rx_ring(rings_.base(), header_); }

 private:
  xen::MappedPages header_page_;
  xen::MappedPages rings_;
  area::Header header_;
};

}  // namespace hush::dom0
