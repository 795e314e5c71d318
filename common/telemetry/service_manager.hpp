// What a service manager is told of this program: systemd's sd_notify(3), a datagram each, without its
// library.
#pragma once
#include <chrono>
#include <optional>
#include <string>

namespace hush::telemetry {

class ServiceManager {
 public:
  // Where the environment says that one listens (NOTIFY_SOCKET) and how often it wants a sign of life
  // (WATCHDOG_USEC, for this process alone: WATCHDOG_PID). Without one nothing is said.
  static ServiceManager from_environment();
  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;
  ServiceManager& operator=(ServiceManager&&) = delete;
  ~ServiceManager();

  // "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1"; several with a line feed between. What is lost is
  // lost.
  void say(const std::string& text) const;
  // A sign of life is due this often, twice as often as it is wanted; nothing: it is not wanted.
  [[nodiscard]] std::optional<std::chrono::microseconds> sign_of_life() const { return sign_of_life_; }

 private:
  ServiceManager() = default;
  int fd_ = -1;
  std::optional<std::chrono::microseconds> sign_of_life_;
};

}  // namespace hush::telemetry
