// What clients of the control socket may do, and that none of it harms the daemon behind it.
#include "common/telemetry/control_server.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <thread>
#include <vector>

#include "tests/support/temp_folder.hpp"
#include "tools/hushctl/daemon.hpp"

namespace hush::telemetry {
namespace {

using boost::asio::local::stream_protocol;
using nlohmann::json;
using Seconds = std::chrono::seconds;

class ControlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = ControlServer::listen(loop_, path_, [this](const json& request) {
      ++asked_;
      return json{{"heard", request}};
    });
    ASSERT_TRUE(server) << server.error().text;
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    boost::asio::post(loop_, [this] { server_.reset(); });
    keep_.reset();
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  stream_protocol::socket connect() {
    stream_protocol::socket socket{client_loop_};
    socket.connect(stream_protocol::endpoint(path_));
    return socket;
  }
  // An honest client gets its answer, whatever the others do. The time is for a test that hangs.
  void expect_served() {
    const auto answer = hushctl::ask(path_, {{"command", "x"}}, Seconds(60));
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ((*answer)["heard"]["command"], "x");
  }
  static std::string send_and_read(stream_protocol::socket& socket, const std::string& text) {
    boost::asio::write(socket, boost::asio::buffer(text));
    std::string line;
    boost::asio::read_until(socket, boost::asio::dynamic_buffer(line), '\n');
    return line;
  }
  // Has the server closed the connection? Waits for it, bounded for a test that fails.
  static bool closed(stream_protocol::socket& socket) {
    pollfd wanted{socket.native_handle(), POLLIN, 0};
    char byte = 0;
    return ::poll(&wanted, 1, 20'000) == 1 && ::recv(socket.native_handle(), &byte, 1, 0) <= 0;
  }

  const test::TempFolder folder_;
  const std::string path_ = folder_.path() / "socket";
  boost::asio::io_context loop_, client_loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_{loop_.get_executor()};
  std::unique_ptr<ControlServer> server_;
  std::atomic<int> asked_{0};
  std::thread thread_;
};

TEST_F(ControlServerTest, OneThatSaysNothingOrHalfALineHarmsNobody) {
  auto silent = connect();
  auto half = connect();
  boost::asio::write(half, boost::asio::buffer(std::string("{\"command\":\"li")));
  expect_served();
  boost::asio::write(half, boost::asio::buffer(std::string("st\"}")));
  EXPECT_NE(send_and_read(half, "\n").find("list"), std::string::npos) << "the other half may come late";
}

TEST_F(ControlServerTest, AnEndlessLineEndsTheSession) {
  auto endless = connect();
  const std::string piece(ControlServer::kMaxRequest + 1, 'x');
  boost::system::error_code failed;
  boost::asio::write(endless, boost::asio::buffer(piece), failed);  // may fail already: the server hangs up
  EXPECT_TRUE(closed(endless));
  expect_served();
}

TEST_F(ControlServerTest, WhatIsNoObjectIsAnsweredWithAnError) {
  auto socket = connect();
  for (const std::string bad : {"", "[]", "5", "{", "\xff\xfe", "nul"})
    EXPECT_NE(send_and_read(socket, bad + "\n").find("error"), std::string::npos) << bad;
  EXPECT_EQ(asked_, 0);
  EXPECT_NE(send_and_read(socket, std::string(60'000, '[') + "\n").find("error"), std::string::npos);
  EXPECT_NE(send_and_read(socket, "{\"command\":\"\xff\"}\n").size(), 0U);
  expect_served();
}

TEST_F(ControlServerTest, ACrowdOfIdleClientsLocksNobodyOut) {
  std::vector<stream_protocol::socket> crowd;
  for (std::size_t i = 0; i < ControlServer::kMaxSessions; ++i) {
    crowd.push_back(connect());
    send_and_read(crowd.back(), "{}\n");  // so that it has been taken in
  }
  expect_served();
  EXPECT_TRUE(closed(crowd.front())) << "the oldest made room";
  expect_served();
}

TEST_F(ControlServerTest, OneThatNeverReadsIsNotReadEither) {
  auto mute = connect();
  mute.non_blocking(true);
  const std::string line = "{\"x\":\"" + std::string(30'000, 'x') + "\"}\n";
  // Until the kernel's buffers are full both ways: the server must not take in what it cannot answer.
  for (int i = 0; i < 10'000; ++i) {
    boost::system::error_code failed;
    mute.write_some(boost::asio::buffer(line), failed);
    if (failed) break;
  }
  expect_served();
  EXPECT_LT(asked_, 1000);
}

TEST_F(ControlServerTest, TheSocketIsTheOwnersAlone) {
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path_).permissions(), perms::owner_read | perms::owner_write);
}

TEST(ControlClient, ADaemonThatDoesNotAnswerIsATimeOut) {
  const test::TempFolder folder;
  const std::string path = folder.path() / "socket";
  boost::asio::io_context loop;
  stream_protocol::acceptor deaf{loop, stream_protocol::endpoint(path)};
  const auto answer = hushctl::ask(path, {{"command", "list"}}, std::chrono::milliseconds(20));
  ASSERT_FALSE(answer);
  EXPECT_EQ(hushctl::exit_code(answer.error()), hushctl::kTimedOut);
  deaf.close();
  const auto gone = hushctl::ask(path, {{"command", "list"}}, Seconds(60));
  ASSERT_FALSE(gone);
  EXPECT_EQ(hushctl::exit_code(gone.error()), hushctl::kNotFound);
}

}  // namespace
}  // namespace hush::telemetry
