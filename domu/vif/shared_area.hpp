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
  // plan: its header without grefs, area::header_of() or header_after(). port: own, of guest_tx's channel;
  // when this process ends, however it ends, the back end is told by its byte in the header page and an event
  // there.
  static Result<SharedArea> create(xen::GrantShare& shares, DomId peer, const area::Header& plan,
                                   EvtchnPort port);

  [[nodiscard]] xenstore::AreaAddress address() const {
    return {Gref{header_page_.grefs().front()}, header_.pages};
  }
  [[nodiscard]] const area::Header& header() const { return header_; }
  // Valid as long as this is.
  [[nodiscard]] area::View view() const { return {header_, &page(), rings_.base()}; }

 private:
  [[nodiscard]] area::HeaderPage& page() const {
    return shm::layout_at<area::HeaderPage>(header_page_.base());
  }

  xen::SharedPages header_page_, index_, rings_;
  area::Header header_;
};

}  // namespace hush::domu
