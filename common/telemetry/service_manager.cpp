#include "common/telemetry/service_manager.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "common/ipc/packet.hpp"

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

// sd_listen_fds(3).
constexpr int kFirstKept = 3;
constexpr long long kMostKept = 65536;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
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

Result<void> ServiceManager::insist(const std::string& text, std::span<const int> fds) const {
  if (fd_ < 0) return error("there is no service manager", ENOTCONN);
  const auto bytes = std::as_bytes(std::span(text));
  while (!ipc::send_packet(fd_, bytes, {}, fds, MSG_DONTWAIT)) {
    if (errno != EAGAIN) return errno_error("tell the service manager");
    pollfd wanted{fd_, POLLOUT, 0};
    if (::poll(&wanted, 1, static_cast<int>(kLongestWait.count())) == 0)
      return error("the service manager does not listen", ETIMEDOUT);
  }
  return {};
}

Result<void> ServiceManager::keep(const std::string& name, int fd) const {
  return insist("FDSTORE=1\nFDNAME=" + name, {&fd, 1});
}

Result<void> ServiceManager::let_go(const std::string& name) const {
  return insist("FDSTOREREMOVE=1\nFDNAME=" + name, {});
}

std::vector<ServiceManager::Kept> ServiceManager::take_kept() {
  const auto process = number_of("LISTEN_PID");
  const auto count = number_of("LISTEN_FDS");
  const char* said = std::getenv("LISTEN_FDNAMES");
  std::vector<std::string> names = split(said == nullptr ? "" : said);
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  std::vector<Kept> kept;
  if (process != ::getpid() || !count || *count > kMostKept) return kept;
  names.resize(names.size() == static_cast<std::size_t>(*count) ? names.size() : 0);
  for (long long i = 0; i < *count; ++i) {
    const int fd = kFirstKept + static_cast<int>(i);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;  // it is not there
    kept.push_back({names.empty() ? "" : names[static_cast<std::size_t>(i)], UniqueFd(fd)});
  }
  return kept;
}

}  // namespace hush::telemetry
