// A local control socket: one JSON request a line in, one JSON answer a line out. For hushctl and scripts.
//
// Runs on the control thread's loop. The handler answers at once. Only the socket's owner may connect
// (mode 0600). A client can take no more than this: a line of kMaxRequest bytes (a longer one ends its
// session), one answer at a time, and a place among kMaxSessions, where a new one ends the oldest.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "common/result.hpp"

namespace hush::telemetry {

class ControlServer {
 public:
  using Handler = std::function<nlohmann::json(const nlohmann::json& request)>;
  static constexpr std::size_t kMaxRequest = 64 * 1024;
  static constexpr std::size_t kMaxSessions = 32;

  // Makes the socket at path, in place of one that a dead daemon left. Removes it on destruction.
  static Result<std::unique_ptr<ControlServer>> listen(boost::asio::io_context& loop, const std::string& path,
                                                       Handler handler);
  ~ControlServer();

 private:
  ControlServer(boost::asio::io_context& loop, std::string path, Handler handler);
  void accept();
  void begin(boost::asio::local::stream_protocol::socket socket);

  class Session;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer accept_again_;
  std::deque<std::weak_ptr<Session>> sessions_;  // the oldest first
  std::string path_;
  std::shared_ptr<Handler> handler_;  // shared with sessions that outlive us in the loop
};

}  // namespace hush::telemetry
