// What a service manager is told of this program, and what it keeps for the next one: systemd's sd_notify(3)
// and sd_listen_fds(3), without its library. hush-keeper speaks the same where there is no systemd.
#pragma once
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

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
  [[nodiscard]] bool is_there() const { return fd_ >= 0; }

  // Has it keep a duplicate of a descriptor for the program that it starts after this one (FDSTORE). name:
  // printable ASCII without ':'; several may have the same. Waits while its socket is full, kLongestWait at
  // most. Success says that it was sent: nothing is answered. Fails with ENOTCONN where there is none.
  [[nodiscard]] Result<void> keep(const std::string& name, int fd) const;
  // Has it close all of that name (FDSTOREREMOVE); as above.
  [[nodiscard]] Result<void> let_go(const std::string& name) const;
  static constexpr std::chrono::milliseconds kLongestWait{1000};

  struct Kept {
    std::string name;  // empty where the names do not fit
    UniqueFd fd;       // close-on-exec
  };
  // What was kept for this process (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES). Once, before any thread is
  // started: the environment is cleared of it, and whatever else was passed in is not closed.
  static std::vector<Kept> take_kept();

  // A sign of life is due this often, twice as often as it is wanted; nothing: it is not wanted.
  [[nodiscard]] std::optional<std::chrono::microseconds> sign_of_life() const { return sign_of_life_; }

 private:
  ServiceManager() = default;
  [[nodiscard]] Result<void> insist(const std::string& text, std::span<const int> fds) const;
  int fd_ = -1;
  std::optional<std::chrono::microseconds> sign_of_life_;
};

}  // namespace hush::telemetry
