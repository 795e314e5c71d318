#include "common/net/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/net/vnet_header.hpp"

namespace hush::net {

Tap& Tap::operator=(Tap&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    index_ = std::exchange(other.index_, 0U);
  }
  return *this;
}

void Tap::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Tap> Tap::create(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return error("interface name '" + name + "' is not 1 to " + std::to_string(IFNAMSIZ - 1) +
                 " characters long");
  Tap tap;
  tap.fd_ = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tap.fd_ < 0) return errno_error("cannot open /dev/net/tun (as root: modprobe tun)");
  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tap.fd_, TUNSETIFF, &request) < 0) {
    if (errno == EBUSY || errno == EEXIST || errno == EINVAL)
      return errno_error("cannot create interface " + name + ", one of that name is in use (ip link show " +
                         name + ")");
    return errno_error("cannot create interface " + name);
  }
  int header = sizeof(VnetHeader);
  if (ioctl(tap.fd_, TUNSETVNETHDRSZ, &header) < 0) return errno_error("set the header size of " + name);
  tap.index_ = if_nametoindex(name.c_str());
  return tap;
}

Result<void> Tap::set_offloads(Offloads offloads) {
  unsigned flags = 0;
  if (offloads.checksum) flags |= TUN_F_CSUM;
  if (offloads.checksum && offloads.tso4) flags |= TUN_F_TSO4 | TUN_F_TSO_ECN;
  if (offloads.checksum && offloads.tso6) flags |= TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (ioctl(fd_, TUNSETOFFLOAD, flags) < 0) return errno_error("set the offloads of a TAP");
  return {};
}

Result<void> Tap::set_carrier(bool up) {
  int carrier = up;
  if (ioctl(fd_, TUNSETCARRIER, &carrier) < 0) return errno_error("set the carrier of a TAP");
  return {};
}

}  // namespace hush::net
