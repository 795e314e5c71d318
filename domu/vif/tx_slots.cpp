#include "domu/vif/tx_slots.hpp"

#include <algorithm>
#include <bit>

namespace hush::domu {

TxSlots::TxSlots(netif::TxFront ring, std::span<const std::uint32_t> grefs) : ring_(ring), grefs_(grefs) {
  for (std::uint32_t i = 0; i < kPages; ++i) free_[i] = static_cast<std::uint16_t>(kPages - 1 - i);
}

Fault TxSlots::collect(std::uint32_t& refused) {
  const auto pending = ring_.pending();
  if (!pending) return Fault::tx_index_impossible;
  for (std::uint32_t i = 0; i < *pending; ++i) {
    const netif::TxResponse response = ring_.take();
    if (response.status == netif::status::kNull) {
      if (extras_outstanding_ == 0) return Fault::tx_null_unasked;
      --extras_outstanding_;
      continue;
    }
    if (response.id >= kPages) return Fault::tx_id_out_of_range;
    if (!outstanding_[response.id]) return Fault::tx_id_not_outstanding;
    outstanding_.reset(response.id);
    free_[free_count_++] = response.id;
    if (response.status != netif::status::kOkay) ++refused;
  }
  return Fault::none;
}

// Everything out will be answered.
bool TxSlots::ask_for_event() {
  const auto at = ring_.position();
  return ring_.final_check(std::max((at.produced - at.consumed) / 2, 1U));
}

void TxSlots::put(std::size_t length, std::uint16_t flags, const netif::GsoBody& gso) {
  const std::size_t pages = pages_of(length);
  for (std::size_t i = 0; i < pages; ++i) {
    const std::uint16_t page = page_at(i);
    const std::size_t rest = length - i * kPageSize;
    netif::TxRequest request{grefs_[page], 0, 0, page, 0};
    request.size = static_cast<std::uint16_t>(i == 0 ? length : std::min(rest, kPageSize));
    if (i == 0) request.flags = flags;
    if (i + 1 < pages) request.flags |= netif::tx_flag::kMoreData;
    ring_.put(request);
    outstanding_.set(page);
    if (i == 0 && gso.type != 0) {
      netif::ExtraInfo extra{netif::extra::kGso, 0, {}};
      const auto body = std::bit_cast<std::array<std::uint8_t, sizeof extra.body>>(gso);
      std::copy(body.begin(), body.end(), extra.body);
      ring_.put(extra);
      ++extras_outstanding_;
    }
  }
  free_count_ -= pages;
}

}  // namespace hush::domu
