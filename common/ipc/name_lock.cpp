#include "common/ipc/name_lock.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>

namespace hush::ipc {

Result<UniqueFd> take_name(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof address.sun_path)
    return error(
        "the name '" + name + "' is not 1 to " + std::to_string(sizeof address.sun_path - 1) + " bytes long",
        EINVAL);
  std::copy(name.begin(), name.end(), address.sun_path + 1);  // after a 0: no file
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("cannot make a socket");
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
    return errno_error("cannot take the name " + name);
  return fd;
}

}  // namespace hush::ipc
