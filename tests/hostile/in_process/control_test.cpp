// H37: who may talk to the daemon, and what it takes from them.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "common/telemetry/control_server.hpp"
#include "tests/support/temp_folder.hpp"

namespace hush::telemetry {
namespace {

namespace fs = std::filesystem;

class Control : public ::testing::Test {
 protected:
  std::unique_ptr<ControlServer> server() {
    return *ControlServer::listen(loop, path.string(), [](const nlohmann::json& request) {
      return nlohmann::json{{"echo", request.value("command", "")}};
    });
  }
  int connect() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    return fd;
  }
  // What comes back for these bytes, as long as the server has something to do.
  std::string ask(int fd, const std::string& bytes) {
    std::string answer;
    char buffer[4096];
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) break;  // closed on us
      if (n > 0) sent += static_cast<std::size_t>(n);
      loop.restart();
      loop.poll();
    }
    loop.restart();
    loop.poll();
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(n));
    return answer;
  }

  boost::asio::io_context loop{1};
  const test::TempFolder directory;
  const fs::path path = directory.path() / "backd.sock";
};

TEST_F(Control, TheSocketIsItsOwnersAlone) {
  const mode_t before = umask(0);
  const auto listening = server();
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(status.st_uid, geteuid());
}
TEST_F(Control, WhatIsNoRequestIsSaidToBeNone) {
  const auto listening = server();
  const int fd = connect();
  for (const char* line : {"\n", "{\n", "7\n", "[]\n", "null\n", "\"list\"\n", "\xff\xfe\n"})
    EXPECT_NE(ask(fd, line).find("error"), std::string::npos) << line;
  EXPECT_NE(ask(fd, "{\"command\":\"x\"}\n").find("\"echo\":\"x\""), std::string::npos) << "and it goes on";
  close(fd);
}
// A value of another type where a word is expected must not end the daemon.
TEST_F(Control, AWordThatIsNoneIsAnError) {
  const auto listening = server();
  const int fd = connect();
  for (const char* line :
       {"{\"command\":7}\n", "{\"command\":null}\n", "{\"command\":{}}\n", "{\"command\":[1]}\n"})
    EXPECT_NE(ask(fd, line).find("error"), std::string::npos) << line;
  EXPECT_NE(ask(fd, "{\"command\":\"x\"}\n").find("\"echo\":\"x\""), std::string::npos);
  close(fd);
}
// Nesting costs a parser its stack.
TEST_F(Control, ADeepRequestIsAnError) {
  const auto listening = server();
  const int fd = connect();
  EXPECT_NE(ask(fd, std::string(30000, '[') + "\n").find("error"), std::string::npos);
  EXPECT_NE(ask(fd, "{\"command\":\"x\"}\n").find("\"echo\":\"x\""), std::string::npos);
  close(fd);
}
TEST_F(Control, ALineWithoutEndIsHungUpOn) {
  const auto listening = server();
  const int fd = connect();
  EXPECT_EQ(ask(fd, std::string(4 * ControlServer::kMaxRequest, 'x')), "");
  char byte;
  errno = 0;
  EXPECT_LE(recv(fd, &byte, 1, 0), 0);
  EXPECT_NE(errno, EAGAIN) << "it still listens to an endless line";
  close(fd);
  const int other = connect();
  EXPECT_NE(ask(other, "{\"command\":\"x\"}\n").find("\"echo\":\"x\""), std::string::npos);
  close(other);
}

}  // namespace
}  // namespace hush::telemetry
