#include "common/net/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/net/vnet_header.hpp"

namespace hush::net {
namespace {

constexpr int kFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;

}  // namespace

Tap& Tap::operator=(Tap&& other) noexcept {
  if (this != &other) {
    close();
    fds_ = std::exchange(other.fds_, {});
    index_ = std::exchange(other.index_, 0U);
  }
  return *this;
}

void Tap::close() {
  for (const int fd : fds_) ::close(fd);
  fds_.clear();
}

Result<Tap> Tap::create(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return error("interface name '" + name + "' is not 1 to " + std::to_string(IFNAMSIZ - 1) +
                 " characters long");
  Tap tap;
  if (auto done = tap.attach(name, true); !done) return done.error();
  tap.index_ = if_nametoindex(name.c_str());
  return tap;
}

Result<Tap> Tap::take_up(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) return errno_error("interface " + name);
  Tap tap;
  // The kernel takes none of another kind: of one queue, of IP packets.
  if (auto done = tap.attach(name, false); !done) return done.error();
  tap.index_ = if_nametoindex(name.c_str());
  if (tap.index_ != index) return error(name + " went while it was looked at", ENODEV);
  return tap;
}

Result<Tap> Tap::adopt(std::vector<UniqueFd> fds) {
  Tap tap;
  for (UniqueFd& fd : fds) tap.fds_.push_back(fd.release());
  if (tap.fds_.empty()) return error("a TAP without a queue", EINVAL);
  std::string name;
  for (const int fd : tap.fds_) {
    ifreq found{};
    int header = 0;
    if (ioctl(fd, TUNGETIFF, &found) < 0) return errno_error("a descriptor is of no TAP that is there");
    if (ioctl(fd, TUNGETVNETHDRSZ, &header) < 0) return errno_error("header size of a TAP");
    const std::string_view one(found.ifr_name, strnlen(found.ifr_name, IFNAMSIZ));
    if (!name.empty() && name != one)
      return error("queues of two interfaces, " + name + " and " + std::string(one), EINVAL);
    name = one;
    if ((found.ifr_flags & kFlags) != kFlags || header != sizeof(VnetHeader))
      return error(name + " is not a TAP as hushring makes them", EINVAL);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) return errno_error("make a TAP non-blocking");
  }
  tap.index_ = if_nametoindex(name.c_str());
  return tap;
}

Result<void> Tap::attach(const std::string& name, bool exclusive) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno_error("cannot open /dev/net/tun (as root: modprobe tun)");
  fds_.push_back(fd);
  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  // Exclusive: without it a second program would become another queue of the first one's interface.
  request.ifr_flags = static_cast<short>(exclusive ? kFlags | IFF_TUN_EXCL : kFlags);
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    if (errno == EBUSY || errno == EEXIST || errno == EINVAL)
      return errno_error("cannot create interface " + name + ", one of that name is in use (ip link show " +
                         name + ")");
    return errno_error("cannot create interface " + name);
  }
  int header = sizeof(VnetHeader);
  if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) return errno_error("set the header size of " + name);
  return {};
}

Result<void> Tap::set_queues(std::size_t count) {
  while (fds_.size() > count && fds_.size() > 1) {
    ::close(fds_.back());
    fds_.pop_back();
  }
  std::array<char, IF_NAMESIZE> name{};  // a script may have renamed it
  if (fds_.size() < count && !if_indextoname(index_, name.data())) return errno_error("interface of a TAP");
  while (fds_.size() < count)
    if (auto done = attach(name.data(), false); !done) {
      ::close(fds_.back());
      fds_.pop_back();
      return done;
    }
  return {};
}

Result<void> Tap::set_offloads(Offloads offloads) {
  unsigned flags = 0;
  if (offloads.checksum) flags |= TUN_F_CSUM;
  if (offloads.checksum && offloads.tso4) flags |= TUN_F_TSO4 | TUN_F_TSO_ECN;
  if (offloads.checksum && offloads.tso6) flags |= TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (ioctl(fd(), TUNSETOFFLOAD, flags) < 0) return errno_error("set the offloads of a TAP");
  return {};
}

Result<void> Tap::set_persistent(bool on) {
  if (ioctl(fd(), TUNSETPERSIST, on ? 1UL : 0UL) < 0) return errno_error("keep a TAP, or no longer");
  return {};
}

Result<void> Tap::set_carrier(bool up) {
  int carrier = up;
  if (ioctl(fd(), TUNSETCARRIER, &carrier) < 0) return errno_error("set the carrier of a TAP");
  return {};
}

}  // namespace hush::net
