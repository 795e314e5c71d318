// A local control socket: one JSON request a line in, one JSON answer a line out. For hushctl and scripts.
//
// Runs on the control thread's loop. The handler answers at once. Only the socket's owner may connect
// (mode 0600); a line is at most kMaxRequest bytes.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
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

  // Makes the socket at path, in place of one that a dead daemon left. Removes it on destruction.
  static Result<std::unique_ptr<ControlServer>> listen(boost::asio::io_context& loop, const std::string& path,
                                                       Handler handler);
  ~ControlServer();

 private:
  ControlServer(boost::asio::io_context& loop, std::string path, Handler handler);
  void accept();

  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::string path_;
  std::shared_ptr<Handler> handler_;  // shared with sessions that outlive us in the loop
};

}  // namespace hush::telemetry
