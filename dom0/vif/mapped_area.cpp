#include "dom0/vif/mapped_area.hpp"

#include <string>
#include <utility>
#include <vector>

namespace hush::dom0 {
namespace {

// The grefs of the ring pages, out of the index pages.
Result<std::vector<std::uint32_t>> read_index(xen::GrantTable& grants, DomId peer,
                                              const area::Header& header) {
  std::vector<std::uint32_t> grefs(area::ring_pages(header));
  for (std::size_t at = 0, i = 0; at < grefs.size(); at += area::kGrefsOfAPage, ++i) {
    auto page = grants.map(peer, std::span(header.index_grefs).subspan(i, 1), false);
    if (!page) return page.error();
    const auto part =
        std::span(grefs).subspan(at, std::min<std::size_t>(area::kGrefsOfAPage, grefs.size() - at));
    shm::PageRun(page->base(), 1).copy_out(0, 0, std::as_writable_bytes(part));
  }
  return grefs;
}

}  // namespace

std::optional<std::string_view> judge_first_area(const area::Header& header) {
  if (header.generation != xenstore::kFirstGeneration) return "a connection begins with generation 1";
  return std::nullopt;
}

Result<MappedArea> MappedArea::map(xen::GrantTable& grants, DomId peer, const xenstore::AreaAddress& address,
                                   std::uint32_t max_pages, EvtchnPort port, const Judge& judge) {
  MappedArea area;
  area.address_ = address.header_page;
  constexpr auto kOwnByte = static_cast<std::int32_t>(offsetof(area::HeaderPage, back_lives));
  auto page = grants.map(peer, address.header_page, xen::UnmapNotify{kOwnByte, port});
  if (!page) return page.error();
  area.header_page_ = std::move(*page);
  area.header_ = area.page().header.take<area::Header>();
  if (const auto why =
          area::refusal(area.header_, area.page().rest.take<area::Rest>(), address.pages, max_pages))
    return error(std::string(*why), EINVAL);
  if (const auto why = judge(area.header_)) return error(std::string(*why), EINVAL);
  auto grefs = read_index(grants, peer, area.header_);
  if (!grefs) return grefs.error();
  if (const auto why = area::refusal(area.header_, address.header_page, *grefs))
    return error(std::string(*why), EINVAL);
  auto rings = grants.map(peer, *grefs, true);
  if (!rings) return rings.error();
  area.rings_ = std::move(*rings);
  area.page().back_lives.store(1);
  return area;
}

}  // namespace hush::dom0
