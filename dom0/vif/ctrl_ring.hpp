// The control ring of a connected vif, <xen/io/netif.h>: requests of the guest about hashing, each answered
// in turn. The edges only, ring, grant copy and event; what a request means is netif::HashState. Lives on the
// vif's data thread, from connect() to the destructor.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/event/data_thread.hpp"
#include "dom0/vif/steering.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

class CtrlRing {
 public:
  // Called on the data thread, once, when the guest lied; nothing more is answered by then.
  using OnFault = std::function<void(std::string reason)>;

  // On the data thread. Maps the ring and binds its channel. Everything given by reference outlives this.
  static Result<std::unique_ptr<CtrlRing>> connect(event::DataThread& thread, BatchMemory& memory, DomId peer,
                                                   const xenstore::CtrlAddress& address, Steering& steering,
                                                   OnFault on_fault);
  // On the data thread.
  ~CtrlRing();

 private:
  CtrlRing(event::DataThread& thread, BatchMemory& memory, DomId peer, xen::MappedPages page,
           Steering& steering, OnFault on_fault);
  void run();
  void run_soon();
  [[nodiscard]] netif::CtrlResponse answer(const netif::CtrlRequest& request);
  [[nodiscard]] std::optional<std::span<const std::byte>> copy_in(const netif::CtrlBytes& wanted);

  event::DataThread& thread_;
  BatchMemory& memory_;
  DomId peer_;
  xen::MappedPages page_;
  netif::CtrlBack ring_;
  Steering& steering_;
  OnFault on_fault_;
  EvtchnPort port_{};
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for a turn that is already posted
};

}  // namespace hush::dom0
