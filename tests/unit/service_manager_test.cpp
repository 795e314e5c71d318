// What systemd would hear, and what it says that it wants to hear.
#include "common/telemetry/service_manager.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "common/ipc/packet.hpp"

namespace hush::telemetry {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

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

// What was sent with a message: its text, and how many descriptors.
std::pair<std::string, std::size_t> packet_at(int fd) {
  ipc::Packet packet;
  if (!ipc::receive_packet(fd, packet, MSG_DONTWAIT)) return {"", 0};
  return {{reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size()}, packet.fds.size()};
}

TEST_F(ServiceManagerTest, KeepsWhatItIsGiven) {
  const std::string address = "@hush_notify_" + std::to_string(getpid());
  const UniqueFd listening(listener(address));
  setenv("NOTIFY_SOCKET", address.c_str(), 1);
  const auto manager = ServiceManager::from_environment();
  ASSERT_TRUE(manager.is_there());
  ASSERT_TRUE(manager.keep("vif7.3-q2", listening.get()));
  EXPECT_EQ(packet_at(listening.get()), std::pair("FDSTORE=1\nFDNAME=vif7.3-q2"s, std::size_t{1}));
  ASSERT_TRUE(manager.let_go("vif7.3-q2"));
  EXPECT_EQ(packet_at(listening.get()), std::pair("FDSTOREREMOVE=1\nFDNAME=vif7.3-q2"s, std::size_t{0}));
}

TEST_F(ServiceManagerTest, OneThatDoesNotListenIsNotWaitedForForEver) {
  const std::string address = "@hush_deaf_" + std::to_string(getpid());
  const UniqueFd deaf(listener(address));
  setenv("NOTIFY_SOCKET", address.c_str(), 1);
  const auto manager = ServiceManager::from_environment();
  Result<void> done;
  for (int i = 0; i < 100'000 && done; ++i) done = manager.let_go("vif7.3-q2");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ETIMEDOUT);
}

TEST_F(ServiceManagerTest, WithoutOneNothingIsKept) {
  EXPECT_FALSE(ServiceManager::from_environment().is_there());
  EXPECT_EQ(ServiceManager::from_environment().keep("x", 0).error().code, ENOTCONN);
}

// In a process of its own, whose descriptors from 3 on are the test's to choose.
int kept_in_a_child(const std::string& count, const char* names, bool mine,
                    const std::function<bool(std::vector<ServiceManager::Kept>)>& as_wanted) {
  const pid_t child = fork();
  if (child == 0) {
    const int fds[2] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)};
    const int away[2] = {fcntl(fds[0], F_DUPFD, 100), fcntl(fds[1], F_DUPFD, 100)};
    dup2(away[0], 3);
    dup2(away[1], 4);
    setenv("LISTEN_PID", std::to_string(mine ? getpid() : getppid()).c_str(), 1);
    setenv("LISTEN_FDS", count.c_str(), 1);
    if (names) setenv("LISTEN_FDNAMES", names, 1);
    auto kept = ServiceManager::take_kept();
    const bool forgotten = !getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES");
    _exit(forgotten && as_wanted(std::move(kept)) ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(ServiceManagerTest, WhatWasKeptIsTakenUpByName) {
  EXPECT_EQ(kept_in_a_child("2", "vif7.3-q0:other", true,
                            [](auto kept) {
                              return kept.size() == 2 && kept[0].name == "vif7.3-q0" &&
                                     kept[0].fd.get() == 3 && kept[1].name == "other" &&
                                     kept[1].fd.get() == 4 && (fcntl(3, F_GETFD) & FD_CLOEXEC) != 0;
                            }),
            0);
  const auto none = [](auto kept) { return kept.empty(); };
  EXPECT_EQ(kept_in_a_child("2", "a:b", false, none), 0) << "kept for another process";
  for (const char* nonsense : {"", "0", "-1", "two", "99999999999999999999", "65537"})
    EXPECT_EQ(kept_in_a_child(nonsense, "a:b", true, none), 0) << nonsense;
  const auto nameless = [](auto kept) {
    return kept.size() == 2 && kept[0].name.empty() && kept[1].name.empty();
  };
  EXPECT_EQ(kept_in_a_child("2", "a:b:c", true, nameless), 0) << "names that do not fit";
  EXPECT_EQ(kept_in_a_child("2", nullptr, true, nameless), 0);
}

}  // namespace
}  // namespace hush::telemetry
