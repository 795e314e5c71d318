#include "domu/preflight.hpp"

#include <filesystem>

namespace hush::domu {

Result<void> check_no_kernel_netfront(std::uint32_t device, const std::string& sysfs) {
  const std::string name = "vif-" + std::to_string(device);
  const std::string driver = sysfs + "/bus/xen/drivers/vif";
  std::error_code failed;
  if (!std::filesystem::exists(driver + "/" + name, failed)) return {};
  return error("the kernel's xen-netfront drives " + name + "; free it: echo " + name + " > " + driver +
                   "/unbind; and to keep it away: echo 'install xen-netfront /bin/false' > "
                   "/etc/modprobe.d/hushring.conf",
               EBUSY);
}

}  // namespace hush::domu
