// H6, H7: producer indexes that cannot be. Each is named at once; none is taken for an empty ring.
#include <random>
#include <thread>

#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

constexpr auto kOrder = std::memory_order_seq_cst;
constexpr std::uint32_t kHonest = 3;  // packets before the lie: the ring does not stand at 0
constexpr char kTxReason[] = "guest_tx ring index impossible";
constexpr char kRxReason[] = "guest_rx ring index impossible";

// Some honest packets, answered; then guest_tx's producer is `offset` further than the back end's consumer.
std::function<void(LyingFront&)> tx_index(std::uint32_t offset) {
  return connected([=](LyingFront& front) {
    for (std::uint16_t i = 0; i < kHonest; ++i) front.send({front.honest(i)});
    (void)front.tx_answers(kHonest);
    front.tx_page().req_prod.store(kHonest + offset, kOrder);
    front.notify();
  });
}
// Nothing is posted before, so the back end stands at 0.
std::function<void(LyingFront&)> rx_index(std::uint32_t offset) {
  return connected([=](LyingFront& front) {
    front.rx_page().req_prod.store(offset, kOrder);
    front.notify();
  });
}

// The index moves all the time while the back end reads it, now possible, now not.
void move_index(LyingFront& front) {
  std::jthread mover([&](const std::stop_token& stop) {
    std::minstd_rand random(1);
    while (!stop.stop_requested()) {
      front.tx_page().req_prod.store(static_cast<std::uint32_t>(random()), kOrder);
      front.tx_page().req_prod.store(0, kOrder);
    }
  });
  front.notify();
  for (int i = 0; i < 1000 && front.state() == xenstore::XenbusState::connected; ++i) front.notify();
  mover.request_stop();
  mover.join();
  front.tx_page().req_prod.store(0xdeadbeef, kOrder);  // whatever it read so far, this is the last word
  front.notify();
}

}  // namespace

Lies index_lies() {
  using enum Outcome;
  return {
      {"tx-index-behind", cut_off, kTxReason, "ring-index-unchecked", tx_index(UINT32_MAX)},
      {"tx-index-full-of-nothing", error, "first_slot_too_short", "assemble-first-slot",
       sent([](auto&) { return Requests(netif::kSlots - 1); })},
      {"tx-index-one-too-far", cut_off, kTxReason, "ring-index-off-by-one", tx_index(netif::kSlots + 1)},
      {"tx-index-half-way-round", cut_off, kTxReason, "ring-index-signed", tx_index(0x80000000)},
      {"tx-index-wild", cut_off, kTxReason, "ring-index-unchecked", tx_index(0xdeadbeef)},
      {"tx-index-moving", cut_off, kTxReason, "ring-index-read-twice", connected(move_index)},
      {"rx-index-behind", cut_off, kRxReason, "ring-index-unchecked", rx_index(UINT32_MAX)},
      {"rx-index-full-of-nothing", served, "", "rx-copy-status-ignored", rx_index(netif::kSlots)},
      {"rx-index-one-too-far", cut_off, kRxReason, "ring-index-off-by-one", rx_index(netif::kSlots + 1)},
      {"rx-index-half-way-round", cut_off, kRxReason, "ring-index-signed", rx_index(0x80000000)},
      {"rx-index-wild", cut_off, kRxReason, "rx-index-as-empty", rx_index(0xdeadbeef)},
  };
}

}  // namespace hush::hostile
