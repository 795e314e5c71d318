#include "domu/library/netif_rings.hpp"

#include <utility>

namespace hush {
namespace {

constexpr std::uint32_t kPages = 2;

template <class Page>
Page& page_of(const xen::SharedPages& pages, std::size_t i) {
  return shm::layout_at<Page>(static_cast<std::byte*>(pages.base()) + i * kPageSize);
}

}  // namespace

Result<NetifRings> NetifRings::share(xen::GrantShare& shares, xen::EventChannels& channels, DomId peer) {
  auto pages = shares.share(peer, kPages, true);
  if (!pages) return pages.error();
  auto port = channels.alloc_unbound(peer);
  if (!port) return port.error();
  return NetifRings{channels, std::move(*pages), *port};
}

NetifRings::NetifRings(xen::EventChannels& channels, xen::SharedPages pages, EvtchnPort port)
    : channels_(&channels),
      pages_(std::move(pages)),
      tx_(netif::TxFront::create(page_of<netif::TxSring>(pages_, 0))),
      rx_(netif::RxFront::create(page_of<netif::RxSring>(pages_, 1))),
      port_(port) {}

NetifRings::NetifRings(NetifRings&& other) noexcept
    : channels_(std::exchange(other.channels_, nullptr)),
      pages_(std::move(other.pages_)),
      tx_(other.tx_),
      rx_(other.rx_),
      port_(other.port_) {}

NetifRings::~NetifRings() {
  if (channels_) channels_->unbind(port_);
}

xenstore::QueueAddress NetifRings::address() const {
  return {.tx_ring = Gref{pages_.grefs()[0]},
          .rx_ring = Gref{pages_.grefs()[1]},
          .tx_port = port_,
          .rx_port = port_};
}

}  // namespace hush
