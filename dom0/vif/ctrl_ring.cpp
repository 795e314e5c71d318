#include "dom0/vif/ctrl_ring.hpp"

#include <algorithm>

namespace hush::dom0 {
namespace {

// Requests answered at a time. Each may copy a page and build a table of hashes.
constexpr std::uint32_t kRequestsPerTurn = 8;

// As with the other rings: everything up to the last published answer is done.
netif::CtrlBack attach(netif::CtrlSring& page) {
  const std::uint32_t index = netif::CtrlBack::published_index(page);
  return netif::CtrlBack::attach(page, {index, index});
}

}  // namespace

Result<std::unique_ptr<CtrlRing>> CtrlRing::connect(event::DataThread& thread, BatchMemory& memory,
                                                    DomId peer, const xenstore::CtrlAddress& address,
                                                    Steering& steering, OnFault on_fault) {
  auto page = thread.grants().map(peer, address.ring);
  if (!page) return page.error();
  std::unique_ptr<CtrlRing> ring{
      new CtrlRing(thread, memory, peer, std::move(*page), steering, std::move(on_fault))};
  auto port = thread.bind(peer, address.port, [self = ring.get()] {
    (void)self->thread_.listen(self->port_, self->ring_.position().consumed);
    self->run();
  });
  if (!port) return port.error();
  ring->port_ = *port;
  // A predecessor may have been killed between an answer and its event, and the guest waits for that one.
  if (ring->ring_.position().consumed != 0) thread.notify(ring->port_);
  ring->run_soon();  // requests may have been there before the channel was
  return ring;
}

CtrlRing::CtrlRing(event::DataThread& thread, BatchMemory& memory, DomId peer, xen::MappedPages page,
                   Steering& steering, OnFault on_fault)
    : thread_(thread),
      memory_(memory),
      peer_(peer),
      page_(std::move(page)),
      ring_(attach(shm::layout_at<netif::CtrlSring>(page_.base()))),
      steering_(steering),
      on_fault_(std::move(on_fault)) {}

CtrlRing::~CtrlRing() {
  *alive_ = false;
  if (port_ != EvtchnPort{}) thread_.unbind(port_);
}

void CtrlRing::run() {
  if (failed_) return;
  const auto pending = ring_.pending();
  if (!pending) {
    failed_ = true;
    on_fault_("control ring index impossible");
    return;
  }
  const std::uint32_t now = std::min(*pending, kRequestsPerTurn);
  for (std::uint32_t i = 0; i < now; ++i) ring_.put(answer(ring_.take()));
  if (ring_.publish()) thread_.notify(port_);
  if (*pending > 0) steering_.wake_all();
  // Through the loop, so that the queues of all vifs of this thread get their turns in between.
  if (ring_.final_check()) run_soon();
}

void CtrlRing::run_soon() {
  boost::asio::post(thread_.loop(), [this, alive = alive_] {
    if (*alive) run();
  });
}

netif::CtrlResponse CtrlRing::answer(const netif::CtrlRequest& request) {
  return steering_.hash().handle(request, copy_in(steering_.hash().wants(request)));
}

// nullopt: the grant was bad. The state has bounded what it wants by a page.
std::optional<std::span<const std::byte>> CtrlRing::copy_in(const netif::CtrlBytes& wanted) {
  if (wanted.bytes == 0) return std::span<const std::byte>{};
  const auto to = memory_.pages.from(0).first(wanted.bytes);
  memory_.copies.clear();
  memory_.copies.from_peer(peer_, wanted.gref, 0, to);
  if (!memory_.copies.run(memory_.grants) || memory_.copies.status(0) != 0) return std::nullopt;
  return to;
}

}  // namespace hush::dom0
