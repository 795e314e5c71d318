// Which processor takes the interrupts of a thread's event channels. Linux spreads those of /dev/xen/evtchn
// over all processors; one that is taken on another processor than its thread's wakes it across, which on Xen
// costs an event and a hypercall more each time (15 % of a round trip: README.md, "How fast").
#pragma once
#include <filesystem>
#include <string>

namespace hush::event {

// The interrupts of the channels that a thread of this name has opened (the kernel names them
// "evtchn:NAME", with what the thread was called when it opened the device) are taken on this processor from
// now on. How many were moved there. One that cannot be moved stays where it is: it wakes the thread all the
// same. irqs: where the kernel shows them.
unsigned keep_interrupts_on(unsigned cpu, const std::string& opener,
                            const std::filesystem::path& irqs = "/proc/irq");

}  // namespace hush::event
