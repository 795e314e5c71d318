// What must be true of the guest before the front end may drive a vif.
#pragma once
#include <cstdint>
#include <string>

#include "common/result.hpp"

namespace hush::domu {

// Fails where the kernel's xen-netfront drives the device, saying how to free it. sysfs: where /sys is.
Result<void> check_no_kernel_netfront(std::uint32_t device, const std::string& sysfs = "/sys");

}  // namespace hush::domu
