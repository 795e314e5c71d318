// A connection by the rings of <xen/io/netif.h>, which any back end serves: pages that are granted once, a
// frame of up to a page read and written in place. What an application may do with it and what each call
// means is told in link.hpp.
//
// Frames come and go complete: no checksum and no segmentation is left to either end. A frame of several
// pages, which only a larger MTU brings, is copied once.
#pragma once
#include <memory>
#include <optional>

#include "common/area/packet_ring.hpp"
#include "common/relay/counters.hpp"
#include "domu/library/doorbell.hpp"
#include "domu/library/netif_rings.hpp"
#include "domu/library/wanted.hpp"
#include "domu/vif/rx_slots.hpp"
#include "domu/vif/tx_slots.hpp"

namespace hush {

class NetifLink {
 public:
  using Clock = std::chrono::steady_clock;

  // ---- sending

  [[nodiscard]] std::uint32_t max_frame() const { return max_frame_; }
  [[nodiscard]] std::byte* reserve(std::uint32_t length) {
    const std::size_t pages = domu::pages_of(length);
    if (!has_pages(pages)) return nullptr;
    staged_ = pages > 1;
    return staged_ ? staged_out_->data() : page(tx_buffers_, tx_.page_at(0), 0);
  }
  [[nodiscard]] bool has_room_for(std::uint32_t frames, std::uint32_t length);
  void commit(const area::Record& record) {
    if (staged_) [[unlikely]]
      unstage(record.length);
    tx_.put(record.length, 0, {});
    sent_.passed(record.length);
  }
  void publish();
  [[nodiscard]] std::uint32_t unconsumed();

  // ---- receiving

  [[nodiscard]] bool peek(area::Frame& frame);
  void release();

  NetifLink(const NetifLink&) = delete;
  NetifLink& operator=(const NetifLink&) = delete;

 private:
  friend class DirectVif;
  friend class Link;
  // Posts the receive pages and tells the back end, which is connected. sg: it takes frames of several slots.
  // Everything given by reference outlives it.
  static Result<std::unique_ptr<NetifLink>> create(xen::GrantShare& shares, xen::EventChannels& channels,
                                                   DomId peer, const NetifRings& rings, bool sg,
                                                   relay::EndCounters& counters);
  NetifLink(xen::EventChannels& channels, const NetifRings& rings, bool sg, xen::SharedPages tx_pages,
            xen::SharedPages rx_pages, relay::EndCounters& counters);
  [[nodiscard]] domu::Fault fault() const { return fault_; }

  // Its event came, and the port is masked.
  void on_event() {
    counters_.events.add();
    bell_.rang();
  }
  // Publishes and releases, then asks for an event. True: one will come for what is wanted.
  [[nodiscard]] bool doze(const Wanted& wanted);
  void tick(Clock::time_point now) { bell_.tick(now); }
  [[nodiscard]] std::optional<Clock::time_point> due() const { return bell_.due(); }

  using Staging = std::array<std::byte, domu::RxSlots::kMaxFrame>;
  static std::byte* page(const shm::PageRun& pages, std::size_t number, std::size_t offset) {
    return static_cast<std::byte*>(pages.kernel_view(number, offset, 0).iov_base);
  }
  [[nodiscard]] bool has_pages(std::size_t pages) {
    if (tx_.room(pages)) [[likely]]
      return fault_ == domu::Fault::none;
    return collect() && tx_.room(pages);
  }
  [[nodiscard]] bool collect();
  void unstage(std::size_t length);
  [[nodiscard]] std::optional<relay::Drop> unfit(const domu::RxSlots::Frame& frame) const;
  [[nodiscard]] std::span<const std::byte> bytes_of(const domu::RxSlots::Frame& frame);

  xen::SharedPages tx_pages_, rx_pages_;
  shm::PageRun tx_buffers_, rx_buffers_;
  domu::TxSlots tx_;
  domu::RxSlots rx_;
  std::uint32_t max_frame_;
  Doorbell bell_;
  relay::EndCounters& counters_;
  relay::Tally sent_, received_;  // of the burst so far
  std::uint32_t answered_ = 0;    // slots to be taken
  std::uint32_t held_ = 0;        // taken and not posted again
  bool staged_ = false;           // the place reserved last is staged_out_
  bool staging_in_use_ = false;   // by the frame that was peeked at last
  std::unique_ptr<Staging> staged_out_ = std::make_unique<Staging>(),
                           staged_in_ = std::make_unique<Staging>();
  domu::Fault fault_ = domu::Fault::none;
};

}  // namespace hush
