// H22, H24, H38, H39: areas that are not to be mapped, and indexes and records in one that is. What is
// offered wrongly is refused and the vif served on the netif path; a lie in use cuts the liar off.
#include <memory>

#include "tests/hostile/forged_area.hpp"
#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

constexpr auto kOrder = std::memory_order_seq_cst;

ForgedArea& fresh(LyingFront& front) {
  front.keep(nullptr);
  const auto area = std::make_shared<ForgedArea>(front);
  front.keep(area);
  return *area;
}

// Offers an area with this change.
ForgedArea& offer(LyingFront& front, const std::function<void(ForgedArea&)>& change) {
  ForgedArea& area = fresh(front);
  change(area);
  area.connect(front);
  front.wait_for({xenstore::XenbusState::connected});
  return area;
}
std::function<void(LyingFront&)> offered(std::function<void(ForgedArea&)> change) {
  return [=](LyingFront& front) { (void)offer(front, change); };
}
// Offers an honest area, and when it is in use does that, with an event.
std::function<void(LyingFront&)> in_use(std::function<void(ForgedArea&)> act) {
  return [=](LyingFront& front) {
    act(offer(front, [](ForgedArea&) {}));
    front.notify();
  };
}

// Publishes so many bytes in guest_tx.
void produce(ForgedArea& area, std::uint32_t index) {
  area.page().guest_tx.produced.store(index, kOrder);
}
// One record at the beginning of guest_tx, and so many bytes published.
std::function<void(LyingFront&)> record(area::Record record, std::uint32_t published) {
  return in_use([=](ForgedArea& area) {
    area.guest_tx().put(0, record);
    produce(area, published);
  });
}

}  // namespace

Lies area_lies() {
  using enum Outcome;
  constexpr auto kReserved = area::kFirstGref - 1;
  return {
      {"area-version-wild", refused, "area version 7 was not offered", "",
       offered([](ForgedArea& a) { a.version = "7"; })},
      {"area-version-nonsense", refused, "hush-area-version is no version", "",
       offered([](ForgedArea& a) { a.version = "one"; })},
      {"area-pages-differ", refused, "another number of pages than hush-area-pages", "",
       offered([](ForgedArea& a) { ++a.pages; })},
      {"area-too-large", refused, "more pages than this back end allows", "", offered([](ForgedArea& a) {
         a.header = area::header_of(1, 16U << 20, 16U << 20);
         a.header.index_grefs.fill(a.index.grefs()[0]);
         a.pages = a.header.pages;
       })},
      {"area-ring-too-small", refused, "guest_tx ring is no power of two", "",
       offered([](ForgedArea& a) { a.header.guest_tx_ring = 2048; })},
      {"area-ring-odd", refused, "guest_rx ring is no power of two", "",
       offered([](ForgedArea& a) { a.header.guest_rx_ring += kPageSize; })},
      {"area-frame-too-long", refused, "longest guest_tx frame is out of range", "",
       offered([](ForgedArea& a) { ++a.header.guest_tx_max_frame; })},
      {"area-magic", refused, "no area's magic", "", offered([](ForgedArea& a) { ++a.header.magic; })},
      {"area-generation-0", refused, "generation 0", "",
       offered([](ForgedArea& a) { a.header.generation = 0; })},
      {"area-generation-2", refused, "begins with generation 1", "",
       offered([](ForgedArea& a) { a.header.generation = 2; })},
      {"area-reserved-bytes", refused, "bytes that must be 0 are not", "",
       offered([](ForgedArea& a) { a.header.reserved.back() = 1; })},
      {"area-rest-of-its-page", refused, "bytes that must be 0 are not", "area-rest-unchecked",
       offered([](ForgedArea& a) {
         area::Rest rest{};
         rest.back() = 1;
         a.page().rest.put(rest);
       })},
      {"area-index-gref-bad", refused, "map 1 grants", "",
       offered([](ForgedArea& a) { a.header.index_grefs[0] = kBadGref; })},
      {"area-index-gref-missing", refused, "an index page's gref is missing", "",
       offered([](ForgedArea& a) { a.header.index_grefs[0] = 0; })},
      {"area-gref-bad", refused, "map 32 grants", "", offered([](ForgedArea& a) { a.grefs[20] = kBadGref; })},
      {"area-gref-reserved", refused, "a ring page's gref is missing or reserved", "",
       offered([](ForgedArea& a) { a.grefs[20] = kReserved; })},
      {"area-gref-twice", refused, "a gref is named twice", "",
       offered([](ForgedArea& a) { a.grefs[20] = a.grefs[3]; })},
      {"area-gref-of-header", refused, "a gref is named twice", "",
       offered([](ForgedArea& a) { a.grefs[20] = a.header_page.grefs()[0]; })},
      {"area-read-only", refused, "map 32 grants", "",
       [](LyingFront& front) {
         ForgedArea& area = fresh(front);
         area.rings = front.share_pages(area::ring_pages(area.header), false);
         area.grefs = area.rings.grefs();
         area.connect(front);
         front.wait_for({xenstore::XenbusState::connected});
       }},
      {"area-taken-back", refused, "map grant", "", offered([](ForgedArea& a) { a.take_back(); })},
      {"area-index-unaligned", cut_off, "produced index is no multiple of 16", "",
       in_use([](ForgedArea& a) { produce(a, 8); })},
      {"area-index-too-far", cut_off, "produced index impossible", "area-produced-unchecked",
       in_use([](ForgedArea& a) { produce(a, kRing); })},
      {"area-index-behind", cut_off, "produced index impossible", "",
       in_use([](ForgedArea& a) { produce(a, 0U - area::kRecordBytes); })},
      {"area-frame-short", cut_off, "shorter than an Ethernet header", "", record({.length = 13}, 32)},
      {"area-frame-long", cut_off, "longer than was agreed", "", record({.length = kRing}, kRing - 16)},
      {"area-frame-wild", cut_off, "longer than was agreed", "", record({.length = UINT32_MAX}, 32)},
      {"area-record-unfinished", cut_off, "ends behind the produced index", "", record({.length = 100}, 64)},
      {"area-kind-unknown", cut_off, "a record of an unknown kind", "",
       record({.length = 60, .kind = static_cast<area::Kind>(77)}, 80)},
      {"area-skip-short", cut_off, "a skip does not end with the ring", "",
       record({.length = 48, .kind = area::Kind::skip}, 64)},
      {"area-switch-unasked", cut_off, "a switch to no generation", "",
       record({.length = 0, .kind = area::Kind::switch_over}, 16)},
      {"area-words-wild", cut_off, "produced index impossible", "", in_use([](ForgedArea& a) {
         for (auto* words : {&a.page().guest_tx, &a.page().guest_rx})
           for (auto* word : {&words->mode, &words->room, &words->consumed}) word->store(0xdeadbeef, kOrder);
         produce(a, 0xdeadbee0);
       })},
  };
}

}  // namespace hush::hostile
