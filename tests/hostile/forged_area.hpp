// An area as an honest front end makes it, until it is changed.
#pragma once
#include <string>
#include <vector>

#include "common/area/layout.hpp"
#include "tests/hostile/lying_front.hpp"
#include "xenstore/keys.hpp"

namespace hush::hostile {

inline constexpr std::uint32_t kRing = 64 * 1024;

// To be kept until the next lie is told: the back end looks at it after the telling.
struct ForgedArea {
  explicit ForgedArea(LyingFront& front,
                      const area::Header& plan = area::header_of(xenstore::kFirstGeneration, kRing, kRing))
      : header(plan),
        header_page(front.share_page(true)),
        index(front.share_page(false)),
        rings(front.share_pages(area::ring_pages(header), true)),
        grefs(rings.grefs()),
        pages(header.pages) {
    header.index_grefs[0] = index.grefs()[0];
  }
  [[nodiscard]] area::HeaderPage& page() const {
    return shm::layout_at<area::HeaderPage>(header_page.base());
  }
  [[nodiscard]] area::View view() const { return {header, &page(), rings.base()}; }
  [[nodiscard]] shm::ByteRing guest_tx() const { return {rings.base(), header.guest_tx_ring}; }
  // Fills the pages that say where the others are.
  void write_pages() const {
    if (header_page.base()) page().header.put(header);
    shm::PageRun(index.base(), 1).copy_in(0, 0, std::as_bytes(std::span(grefs)));
  }
  // Connects with it.
  void connect(LyingFront& front) {
    write_pages();
    front.connect({{xenstore::key::kHushAreaVersion, version},
                   {xenstore::key::kHushAreaPages, std::to_string(pages)},
                   {xenstore::key::kHushAreaRef, std::to_string(gref())}});
  }
  [[nodiscard]] std::uint32_t gref() const {
    return header_page.grefs().empty() ? gone : header_page.grefs()[0];
  }
  // Ends the grant of the header page, and says it all the same.
  void take_back() {
    page().header.put(header);
    gone = header_page.grefs()[0];
    header_page.reset();
  }

  area::Header header;
  xen::SharedPages header_page, index, rings;
  std::vector<std::uint32_t> grefs;  // of the ring pages, as the index page says them
  std::uint32_t pages;               // as xenstore says
  std::string version = std::to_string(area::kVersion);
  std::uint32_t gone = 0;  // the header page's gref, where it was taken back
};

}  // namespace hush::hostile
