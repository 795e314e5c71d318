// The event channels of a guest from before it was restored. They died with the domain that it was then, and
// nobody must close them: Linux's driver stops the thread that does (evtchn_unbind_from_user(),
// drivers/xen/evtchn.c: BUG_ON(irq < 0)). So a process that does nothing else keeps their descriptor for as
// long as the guest runs.
#pragma once
#include <sys/types.h>

#include <string>

#include "common/result.hpp"

namespace hush::xen {

// The one argument that such a process is started with: a program that may start one calls
// keep_dead_channels() for it.
inline constexpr char kKeepsDeadChannels[] = "--keeps-dead-event-channels";

// Starts it, with a copy of fd, and waits until it says that it keeps that: its number. It has nothing else
// of this process, neither memory nor descriptors nor environment, is nobody's child, and where it may, in no
// service's control group. Any other program than one of ours is an error, and harms nobody. program: what to
// start; it is sought nowhere. Any thread.
Result<pid_t> start_keeper_of_dead_channels(int fd, const std::string& program);
// What it does; any signal that can be ignored is.
[[noreturn]] void keep_dead_channels();

}  // namespace hush::xen
