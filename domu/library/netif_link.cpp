#include "domu/library/netif_link.hpp"

#include <algorithm>
#include <utility>

namespace hush {

Result<std::unique_ptr<NetifLink>> NetifLink::create(xen::GrantShare& shares, xen::EventChannels& channels,
                                                     DomId peer, const NetifRings& rings, bool sg,
                                                     relay::EndCounters& counters) {
  auto tx_pages = shares.share(peer, domu::TxSlots::kPages, false);
  if (!tx_pages) return tx_pages.error();
  auto rx_pages = shares.share(peer, domu::RxSlots::kPages, true);
  if (!rx_pages) return rx_pages.error();
  return std::unique_ptr<NetifLink>{
      new NetifLink(channels, rings, sg, std::move(*tx_pages), std::move(*rx_pages), counters)};
}

// An event of before this was there is taken for one of now: the port may be masked by it.
NetifLink::NetifLink(xen::EventChannels& channels, const NetifRings& rings, bool sg,
                     xen::SharedPages tx_pages, xen::SharedPages rx_pages, relay::EndCounters& counters)
    : tx_pages_(std::move(tx_pages)),
      rx_pages_(std::move(rx_pages)),
      tx_buffers_(tx_pages_.run()),
      rx_buffers_(rx_pages_.run()),
      tx_(rings.tx(), tx_pages_.grefs()),
      rx_(rings.rx(), rx_pages_.grefs()),
      max_frame_(sg ? domu::TxSlots::kMaxFrame : kPageSize),
      bell_(channels, rings.port()),
      counters_(counters) {
  bell_.rang();
  bell_.ring();
}

bool NetifLink::collect() {
  if (fault_ != domu::Fault::none) return false;
  std::uint32_t refused = 0;
  fault_ = tx_.collect(refused);
  counters_.out.drops[static_cast<std::size_t>(relay::Drop::refused)].add(refused);
  return fault_ == domu::Fault::none;
}

// As much as there is for certain once the event of doze() has come, at half of what was out: who sends
// without end goes on while the back end has the other half.
bool NetifLink::has_room_for(std::uint32_t frames, std::uint32_t length) {
  constexpr std::size_t kMost = domu::TxSlots::kPages / 2 - 1;
  return has_pages(std::min<std::size_t>(frames * domu::pages_of(length), kMost));
}

void NetifLink::unstage(std::size_t length) {
  const auto frame = std::span(*staged_out_).first(length);
  for (std::size_t at = 0; at < length; at += kPageSize)
    tx_buffers_.copy_in(tx_.page_at(at / kPageSize), 0, frame.subspan(at, std::min(kPageSize, length - at)));
}

void NetifLink::publish() {
  if (!tx_.unpublished()) return;
  relay::count_batch(counters_.out, std::exchange(sent_, {}));
  const bool wanted = tx_.publish();
  (wanted ? counters_.out.notifies_sent : counters_.out.notifies_saved).add();
  if (wanted) bell_.ring();
}

std::uint32_t NetifLink::unconsumed() {
  (void)collect();
  const auto at = tx_.position();
  return (at.produced - at.consumed) * static_cast<std::uint32_t>(kPageSize);
}

bool NetifLink::peek(area::Frame& frame) {
  while (fault_ == domu::Fault::none && !staging_in_use_) {
    if (answered_ == 0) {
      const auto pending = rx_.pending();
      if (!pending) fault_ = domu::Fault::rx_index_impossible;
      answered_ = pending.value_or(0);
      if (answered_ == 0) return false;
    }
    domu::RxSlots::Frame got;
    fault_ = rx_.take(answered_, got);
    if (fault_ != domu::Fault::none) return false;
    answered_ -= got.slots;
    held_ += got.slots;
    if (const auto why = unfit(got)) {
      received_.drop(*why);
      continue;
    }
    frame.record = {.length = static_cast<std::uint32_t>(got.length)};
    frame.bytes = bytes_of(got);
    received_.passed(frame.record.length);
    return true;
  }
  return false;
}

std::optional<relay::Drop> NetifLink::unfit(const domu::RxSlots::Frame& frame) const {
  if (frame.failed) return relay::Drop::refused;
  if (frame.length < area::kMinFrame) return relay::Drop::too_short;
  if (frame.length > domu::RxSlots::kMaxFrame) return relay::Drop::too_long;
  // Nobody offered to finish it.
  if ((frame.flags & netif::rx_flag::kCsumBlank) || frame.gso) return relay::Drop::bad_offload;
  return std::nullopt;
}

std::span<const std::byte> NetifLink::bytes_of(const domu::RxSlots::Frame& frame) {
  if (frame.count == 1) return {page(rx_buffers_, frame.parts[0].page, frame.parts[0].offset), frame.length};
  std::size_t at = 0;
  for (const auto& part : std::span(frame.parts).first(frame.count)) {
    rx_buffers_.copy_out(part.page, part.offset, std::span(*staged_in_).subspan(at, part.length));
    at += part.length;
  }
  staging_in_use_ = true;
  return std::span(*staged_in_).first(at);
}

void NetifLink::release() {
  if (held_ == 0) return;
  relay::count_batch(counters_.in, received_);
  relay::count_drops(counters_.in, received_);
  received_ = {};
  staging_in_use_ = false;
  rx_.post(std::exchange(held_, 0));
  if (!rx_.publish()) return;
  counters_.in.notifies_sent.add();
  bell_.ring();
}

bool NetifLink::doze(const Wanted& wanted) {
  publish();
  release();
  bell_.listen(counters_.in.batches.get() + counters_.out.batches.get());
  if (fault_ != domu::Fault::none) return false;
  if (wanted.frames) {
    const bool sleeps = answered_ == 0 && !rx_.ask_for_event();
    (sleeps ? counters_.in.sleeps : counters_.in.second_looks).add();
    if (!sleeps) return false;
  }
  if (wanted.room == 0) return true;
  if (has_pages(domu::pages_of(std::min(wanted.room, max_frame_)))) return false;
  counters_.out.room_waits.add();
  return fault_ == domu::Fault::none && !tx_.ask_for_event();
}

}  // namespace hush
