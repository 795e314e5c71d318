#include "common/telemetry/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace hush::telemetry {
namespace {

std::optional<long long> number_of(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  long long number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return failed == std::errc() && end == digits.data() + digits.size() && number > 0 ? std::optional(number)
                                                                                     : std::nullopt;
}

// A path, or with '@' a name in the abstract namespace.
int connect_to(std::string_view address) {
  sockaddr_un name{};
  if (address.size() < 2 || address.size() >= sizeof name.sun_path ||
      (address[0] != '/' && address[0] != '@'))
    return -1;
  name.sun_family = AF_UNIX;
  std::copy(address.begin(), address.end(), name.sun_path);
  if (address[0] == '@') name.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&name), length) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  if (const char* address = std::getenv("NOTIFY_SOCKET")) manager.fd_ = connect_to(address);
  const auto process = number_of("WATCHDOG_PID");
  const auto interval = number_of("WATCHDOG_USEC");
  if (interval && (!process || *process == ::getpid()))
    manager.sign_of_life_ = std::chrono::microseconds(*interval / 2);
  return manager;
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), sign_of_life_(other.sign_of_life_) {}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::say(const std::string& text) const {
  if (fd_ >= 0) (void)::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace hush::telemetry
