// H1, H13 to H15, H41: guest_tx slots that netback refuses (protocol reference 2.5), and the last ones that
// it takes.
#include <random>
#include <thread>

#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

using netif::extra::kGso;

Requests with_gso(LyingFront& front, netif::GsoBody gso) {
  return {slot(front, kExtra, 60), extra(kGso, 0, gso)};
}
std::function<void(LyingFront&)> sent_chain(std::size_t slots, std::uint16_t total) {
  return sent([=](auto& front) { return chain(front, slots, total); });
}
// A packet of three slots of which the given one is empty.
std::function<void(LyingFront&)> empty_slot(std::size_t which) {
  return sent([=](auto& front) {
    Requests all = chain(front, 3, static_cast<std::uint16_t>(which == 0 ? 200 : 160));
    if (which > 0) all[which].size = 0;
    return all;
  });
}

// Every field of every slot changes while the back end reads (H1): whatever it takes, it takes once. The
// slots that the mover leaves at rest are honest, the fatal words are never among its own: so the vif must
// live.
void flip_fields(LyingFront& front) {
  constexpr int kRounds = 200;
  const std::uint32_t grefs[] = {front.data_gref(0), kBadGref};
  std::jthread mover([&](const std::stop_token& stop) {
    std::minstd_rand random(1);
    while (!stop.stop_requested())
      for (auto& at : front.tx_page().slot)
        at.put(netif::TxRequest{grefs[random() % 2], static_cast<std::uint16_t>(random() % 2048), 0,
                                static_cast<std::uint16_t>(random()),
                                static_cast<std::uint16_t>(random() % 2048)});
  });
  for (int i = 0; i < kRounds; ++i) {
    front.send(Requests(netif::kSlots, front.honest(kId)));
    (void)front.tx_answers(netif::kSlots);
  }
  mover.request_stop();
}

// Scribbles into every slot once its answer is there (H41).
void scribble(LyingFront& front) {
  front.send({front.honest(1), front.honest(2)});
  (void)front.tx_answers(2);
  for (auto& at : front.tx_page().slot)
    at.put(netif::TxRequest{kBadGref, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX});
}

Lies sizes() {
  using enum Outcome;
  return {
      {"tx-offset", cut_off, "offset_beyond_page", "assemble-first-page",
       sent([](auto& f) { return Requests{slot(f, 0, 60, kPageSize - 59)}; })},
      {"tx-offset-max", cut_off, "offset_beyond_page", "assemble-first-page",
       sent([](auto& f) { return Requests{slot(f, 0, 60, UINT16_MAX)}; })},
      {"tx-offset-last", served, "", "assemble-first-page-off-by-one",
       sent([](auto& f) { return Requests{slot(f, 0, 60, kPageSize - 60)}; })},
      {"tx-offset-second", cut_off, "offset_beyond_page", "assemble-later-page", sent([](auto& f) {
         return Requests{slot(f, kMore, 200), slot(f, 0, 100, kPageSize - 99)};
       })},
      {"tx-offset-second-last", served, "", "assemble-later-page-off-by-one", sent([](auto& f) {
         return Requests{slot(f, kMore, 200), slot(f, 0, 100, kPageSize - 100)};
       })},
      {"tx-size-zero", error, "first_slot_too_short", "assemble-first-slot",
       sent([](auto& f) { return Requests{slot(f, 0, 0)}; })},
      {"tx-size-13", error, "first_slot_too_short", "assemble-first-slot",
       sent([](auto& f) { return Requests{slot(f, 0, 13)}; })},
      {"tx-size-14", served, "", "assemble-first-slot-off-by-one",
       sent([](auto& f) { return Requests{slot(f, 0, 14)}; })},
      {"tx-size-max", cut_off, "offset_beyond_page", "assemble-first-page",
       sent([](auto& f) { return Requests{slot(f, 0, UINT16_MAX)}; })},
      {"tx-size-mismatch", error, "size_mismatch", "assemble-size-mismatch", sent([](auto& f) {
         return Requests{slot(f, kMore, 100), slot(f, 0, 200)};
       })},
      {"tx-empty-second", served, "", "assemble-empty-slot-refused", empty_slot(1)},
      {"tx-empty-last", served, "", "assemble-empty-slot-refused", empty_slot(2)},
      {"tx-empty-first", error, "first_slot_too_short", "assemble-first-slot", empty_slot(0)},
  };
}

Lies chains() {
  using enum Outcome;
  return {
      {"tx-chain-19", served, "", "assemble-slots-off-by-one", sent_chain(19, 2000)},
      {"tx-chain-20", error, "too_many_slots", "assemble-too-many-slots", sent_chain(20, 2100)},
      {"tx-chain-21", error, "too_many_slots", "assemble-too-many-slots", sent_chain(21, 2200)},
      {"tx-chain-22", cut_off, "slots_excessive", "assemble-slots-excessive", sent_chain(22, 2300)},
      {"tx-chain-40", cut_off, "slots_excessive", "assemble-slots-excessive", sent_chain(40, 4096)},
      {"tx-chain-open", cut_off, "chain_beyond_ring", "assemble-chain-open",
       sent([](auto& f) { return Requests{slot(f, kMore, 100)}; })},
      {"tx-same-id", served, "", "tx-answers-lost",
       sent([](auto& f) { return Requests(200, slot(f, 0, 60)); })},
      {"tx-fields-flip", served, "", "tx-copy-status-ignored", connected(flip_fields)},
      {"tx-scribbled-answers", served, "", "tx-answers-lost", connected(scribble)},
  };
}

Lies extras() {
  using enum Outcome;
  return {
      {"extra-missing", cut_off, "extra_missing", "assemble-extra-missing",
       sent([](auto& f) { return Requests{slot(f, kExtra, 60)}; })},
      {"extra-type-0", cut_off, "extra_type_unknown", "assemble-extra-type", sent([](auto& f) {
         return Requests{slot(f, kExtra, 60), extra(0, 0)};
       })},
      {"extra-type-max", cut_off, "extra_type_unknown", "assemble-extra-type", sent([](auto& f) {
         return Requests{slot(f, kExtra, 60), extra(netif::extra::kMax, 0)};
       })},
      {"extra-type-255", cut_off, "extra_type_unknown", "assemble-extra-type", sent([](auto& f) {
         return Requests{slot(f, kExtra, 60), extra(255, 0)};
       })},
      {"extra-endless", cut_off, "extra_missing", "assemble-extra-missing", sent([](auto& f) {
         Requests all(netif::kSlots, extra(netif::extra::kMcastAdd, netif::extra::kMore));
         all.front() = slot(f, kExtra, 60);
         return all;
       })},
      {"gso-size-zero", cut_off, "gso_size_zero", "assemble-gso-size", sent([](auto& f) {
         return with_gso(f, {0, 1, 0, 0});
       })},
      {"gso-type-0", cut_off, "gso_type_unknown", "assemble-gso-type", sent([](auto& f) {
         return with_gso(f, {1448, 0, 0, 0});
       })},
      {"gso-type-3", cut_off, "gso_type_unknown", "assemble-gso-type", sent([](auto& f) {
         return with_gso(f, {1448, 3, 0, 0});
       })},
      {"gso-not-tcp", error, "no_csum_header", "tx-transport-unchecked", sent([](auto& f) {
         return with_gso(f, {1448, 1, 0, 0});
       })},
      {"csum-not-ip", error, "no_csum_header", "tx-transport-unchecked",
       sent([](auto& f) { return Requests{slot(f, netif::tx_flag::kCsumBlank, 60)}; })},
  };
}

}  // namespace

Lies shape_lies() {
  Lies all = sizes();
  for (const Lies& more : {chains(), extras()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace hush::hostile
