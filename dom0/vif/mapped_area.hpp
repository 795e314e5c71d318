// An area of a front end, mapped (common/area/README.md, sections 2 and 3). Every page is checked before it
// is used: header and index pages are copied first, and the copies decide.
//
// Not thread-safe: of the thread of its grant table, which outlives it.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "common/area/standing.hpp"
#include "common/result.hpp"
#include "common/xen/grant_table.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class MappedArea {
 public:
  // port: own, of guest_tx's channel; when this process ends, however it ends, the front end is told by its
  // byte in the header page and an event there. max_pages: what this back end allows. The error is the reason
  // of a refusal.
  // judge: what else there is to say against its header; an area that begins a connection has generation 1.
  using Judge = std::function<std::optional<std::string_view>(const area::Header& header)>;
  static Result<MappedArea> map(xen::GrantTable& grants, DomId peer, const xenstore::AreaAddress& address,
                                std::uint32_t max_pages, EvtchnPort port, const Judge& judge);

  [[nodiscard]] const area::Header& header() const { return header_; }
  [[nodiscard]] area::Seat seat() const { return area::seat_of(address_, header_); }
  // Valid as long as this is.
  [[nodiscard]] area::View view() const { return {header_, &page(), rings_.base()}; }

 private:
  [[nodiscard]] area::HeaderPage& page() const {
    return shm::layout_at<area::HeaderPage>(header_page_.base());
  }

  xen::MappedPages header_page_;
  xen::MappedPages rings_;
  area::Header header_;
  Gref address_;  // of the header page
};

// Of the first area of a connection.
[[nodiscard]] std::optional<std::string_view> judge_first_area(const area::Header& header);

}  // namespace hush::dom0
