// What systemd would hear, and what it says that it wants to hear.
#include "common/telemetry/service_manager.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

namespace hush::telemetry {
namespace {

using namespace std::chrono_literals;

class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  // A socket of this address, '@' for the abstract ones.
  static int listener(const std::string& address) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, address.data(), address.size());
    if (address[0] == '@') name.sun_path[0] = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size())),
              0);
    return fd;
  }
  static std::string heard(int fd) {
    std::array<char, 256> text{};
    const auto had = recv(fd, text.data(), text.size(), MSG_DONTWAIT);
    return had < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(had));
  }
};

TEST_F(ServiceManagerTest, HearsEachMessageAtEitherKindOfAddress) {
  const std::string path = testing::TempDir() + "hush_notify_" + std::to_string(getpid());
  for (const std::string& address : {path, "@" + path}) {
    const int fd = listener(address);
    setenv("NOTIFY_SOCKET", address.c_str(), 1);
    const auto manager = ServiceManager::from_environment();
    manager.say("READY=1\nSTATUS=serving");
    EXPECT_EQ(heard(fd), "READY=1\nSTATUS=serving") << address;
    manager.say("WATCHDOG=1");
    EXPECT_EQ(heard(fd), "WATCHDOG=1");
    close(fd);
    manager.say("nobody hears this, and that is no error");
  }
  unlink(path.c_str());
}

TEST_F(ServiceManagerTest, WithoutOneNothingIsSaid) {
  for (const char* address : {"", "/", "relative", "/nowhere/at/all"}) {
    setenv("NOTIFY_SOCKET", address, 1);
    ServiceManager::from_environment().say("READY=1");
  }
  setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  ServiceManager::from_environment().say("READY=1");
}

TEST_F(ServiceManagerTest, SignsOfLifeAreForTheProcessThatIsMeant) {
  EXPECT_EQ(ServiceManager::from_environment().sign_of_life(), std::nullopt);
  setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceManager::from_environment().sign_of_life(), 15s);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(ServiceManager::from_environment().sign_of_life(), 15s);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager::from_environment().sign_of_life(), std::nullopt);
  unsetenv("WATCHDOG_PID");
  for (const char* nonsense : {"", "0", "-5", "soon", "10s"}) {
    setenv("WATCHDOG_USEC", nonsense, 1);
    EXPECT_EQ(ServiceManager::from_environment().sign_of_life(), std::nullopt) << nonsense;
  }
}

}  // namespace
}  // namespace hush::telemetry
