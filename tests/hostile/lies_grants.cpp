// H9, H10, H21 and XSA-361..367: grants that are not there, or not for that, or not enough.
#include <iostream>

#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

// Connects with the gref of a page that was granted otherwise in the place of a ring's.
std::function<void(LyingFront&)> read_only_ring(const char* key) {
  return [=](LyingFront& front) {
    const xen::SharedPages page = front.share_page(false);
    front.connect({{key, std::to_string(page.grefs()[0])}});
    front.wait_for({xenstore::XenbusState::closing});
  };
}
// 64 receive buffers with this gref. The broadcasts of the test's other guest arrive here and fail.
std::function<void(LyingFront&)> posted(std::uint32_t gref) {
  return connected([=](LyingFront& front) { front.post(std::vector<netif::RxRequest>(64, {kId, 0, gref})); });
}

// Posts that many receive buffers and no more for as long as standard input is open: time for a flood
// (run_host).
std::function<void(LyingFront&)> stops_at(std::size_t buffers) {
  return connected([=](LyingFront& front) {
    front.post(std::vector<netif::RxRequest>(buffers, {kId, 0, front.data_gref(1)}));
    while (std::cin.get() != std::char_traits<char>::eof()) {
    }
  });
}

}  // namespace

Lies grant_lies() {
  using enum Outcome;
  return {
      {"tx-ring-gref", cut_off, "map grant", "map-error-ignored",
       forged(xenstore::key::kTxRingRef, std::to_string(kBadGref))},
      {"rx-ring-gref", cut_off, "map grant", "map-error-ignored",
       forged(xenstore::key::kRxRingRef, std::to_string(kBadGref))},
      {"tx-ring-read-only", cut_off, "map grant", "map-error-ignored",
       read_only_ring(xenstore::key::kTxRingRef)},
      {"rx-ring-read-only", cut_off, "map grant", "map-error-ignored",
       read_only_ring(xenstore::key::kRxRingRef)},
      {"tx-gref", error, "grant_copy_failed", "tx-copy-status-ignored", sent([](auto&) {
         return Requests{{kBadGref, 0, 0, kId, 60}};
       })},
      {"tx-gref-in-the-middle", error, "grant_copy_failed", "tx-copy-status-ignored", sent([](auto& f) {
         Requests all = chain(f, 5, 460);
         all[2].gref = kBadGref;
         return all;
       })},
      {"tx-gref-taken-back", error, "grant_copy_failed", "tx-copy-status-ignored", connected([](auto& f) {
         const std::uint32_t gref = f.share_page(true).grefs()[0];  // gone at the end of the line
         f.send({{gref, 0, 0, kId, 60}});
       })},
      {"tx-gref-of-the-ring", served, "", "tx-copy-status-ignored", sent([](auto& f) {
         return Requests{{f.tx_ring_gref(), 0, 0, kId, 60}};
       })},
      {"rx-stops-at-0", served, "", "rx-room-ignored", stops_at(0)},
      {"rx-stops-at-1", served, "", "rx-room-ignored", stops_at(1)},
      {"rx-gref", served, "", "rx-copy-status-ignored", posted(kBadGref)},
      {"rx-gref-read-only", served, "", "rx-copy-status-ignored", connected([](auto& f) {
         const xen::SharedPages page = f.share_page(false);
         f.post(std::vector<netif::RxRequest>(64, {kId, 0, page.grefs()[0]}));
         f.send({f.honest(1)});
         (void)f.tx_answers(1);
       })},
  };
}

}  // namespace hush::hostile
