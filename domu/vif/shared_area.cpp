#include "domu/vif/shared_area.hpp"

#include <algorithm>

namespace hush::domu {

Result<SharedArea> SharedArea::create(xen::GrantShare& shares, DomId peer, const area::Header& plan,
                                      EvtchnPort port) {
  SharedArea area;
  area.header_ = plan;
  constexpr auto kOwnByte = static_cast<std::int32_t>(offsetof(area::HeaderPage, front_lives));
  auto header_page = shares.share(peer, xen::UnmapNotify{kOwnByte, port});
  if (!header_page) return header_page.error();
  area.header_page_ = std::move(*header_page);
  auto index = shares.share(peer, area.header_.index_pages, false);
  if (!index) return index.error();
  area.index_ = std::move(*index);
  auto rings = shares.share(peer, area::ring_pages(area.header_), true);
  if (!rings) return rings.error();
  area.rings_ = std::move(*rings);

  const shm::PageRun index_pages(area.index_.base(), area.header_.index_pages);
  const auto grefs = std::span(area.rings_.grefs());
  for (std::size_t i = 0; i < area.header_.index_pages; ++i) {
    const std::size_t at = i * area::kGrefsOfAPage;
    index_pages.copy_in(
        i, 0,
        std::as_bytes(grefs.subspan(at, std::min<std::size_t>(area::kGrefsOfAPage, grefs.size() - at))));
  }
  std::ranges::copy(area.index_.grefs(), area.header_.index_grefs.begin());
  area.page().header.put(area.header_);
  area.page().front_lives.store(1);
  return area;
}

}  // namespace hush::domu
