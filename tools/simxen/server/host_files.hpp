// The paths that Xen's programs have built in (/var/lib/xen, /run/xen, ...), led into the world's directory
// for one process and its children, so that worlds do not meet and the machine keeps nothing.
#pragma once

#include <string>

#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

// Moves the calling process into a private mount namespace with those paths. Without the right to do so it
// changes nothing and returns false: the store and our programs need none of it, xl does.
bool enter_host_files(const World& world);

// As 'ip netns exec NAME': the network namespace, and a /sys that shows it. False with a reason in errno.
bool enter_netns(const std::string& name);

}  // namespace hush::simxen
