// What every connection of a vif is named by, whichever way its frames go: the two ring pages of
// <xen/io/netif.h>, granted, and an event channel for both.
#pragma once
#include "common/netif/wire.hpp"
#include "common/xen/event_channels.hpp"
#include "common/xen/grant_share.hpp"
#include "xenstore/vif_config.hpp"

namespace hush {

class NetifRings {
 public:
  // shares and channels outlive it.
  static Result<NetifRings> share(xen::GrantShare& shares, xen::EventChannels& channels, DomId peer);
  ~NetifRings();
  // Its channel died with the domain that the guest was (common/xen/dead_channels.hpp): it is not unbound.
  void leave_channel() { channels_ = nullptr; }
  NetifRings(NetifRings&&) noexcept;
  NetifRings& operator=(NetifRings&&) = delete;

  [[nodiscard]] const netif::TxFront& tx() const { return tx_; }
  [[nodiscard]] const netif::RxFront& rx() const { return rx_; }
  [[nodiscard]] EvtchnPort port() const { return port_; }
  [[nodiscard]] xenstore::QueueAddress address() const;

 private:
  NetifRings(xen::EventChannels& channels, xen::SharedPages pages, EvtchnPort port);

  xen::EventChannels* channels_;
  xen::SharedPages pages_;
  netif::TxFront tx_;
  netif::RxFront rx_;
  EvtchnPort port_;
};

}  // namespace hush
