// A vif changes hands between the kernel's xen-netfront and this program.
//
// The kernel's driver waits in its removal for the back end's answers, looking every five seconds only (it
// has taken its watch off by then), and for ever where none comes. So the vif is closed first, by its state
// node, as the toolstack does it: the driver follows within milliseconds while its watch is there, and a back
// end that does not answer is found out while the driver still works.
//
// Both wait, on a connection to the store of their own: some 100 ms, kBackendBound for each step at most. Any
// thread.
#pragma once
#include <chrono>
#include <optional>

#include "common/net/interface_state.hpp"
#include "common/result.hpp"
#include "domu/kernel_netfront.hpp"

namespace hush::domu {

// How long a back end may take for a step of the handshake.
inline constexpr std::chrono::seconds kBackendBound{10};

// The kernel lets go of the vif, and the back end waits for a new front end (states Initialising and
// InitWait). What the kernel's interface had; none: the kernel does not drive the vif. After an error the
// kernel drives it as before.
Result<std::optional<net::InterfaceState>> take_over(const KernelNetfront& kernel);

// The kernel takes the vif, which this program has taken leave of, and its interface gets the name, and all
// else that ours had. What of that cannot be given is logged.
Result<void> give_back(const KernelNetfront& kernel, const net::InterfaceState& ours,
                       const std::string& name);

}  // namespace hush::domu
