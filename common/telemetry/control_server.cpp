#include "common/telemetry/control_server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace hush::telemetry {
namespace {

using boost::asio::local::stream_protocol;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(stream_protocol::socket socket, std::shared_ptr<ControlServer::Handler> handler)
      : socket_(std::move(socket)), handler_(std::move(handler)) {}

  void read() {
    boost::asio::async_read_until(
        socket_, boost::asio::dynamic_buffer(input_, ControlServer::kMaxRequest), '\n',
        [self = shared_from_this()](boost::system::error_code failed, std::size_t length) {
          if (!failed) self->answer(length);
        });
  }

 private:
  void answer(std::size_t length) {
    const auto request = nlohmann::json::parse(input_.substr(0, length), nullptr, false);
    input_.erase(0, length);
    nlohmann::json answer;
    if (request.is_object())
      answer = (*handler_)(request);
    else
      answer["error"] = "the request is not a JSON object on one line";
    output_ = answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    boost::asio::async_write(socket_, boost::asio::buffer(output_),
                             [self = shared_from_this()](boost::system::error_code failed, std::size_t) {
                               if (!failed) self->read();
                             });
  }

  stream_protocol::socket socket_;
  std::shared_ptr<ControlServer::Handler> handler_;
  std::string input_;
  std::string output_;
};

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::listen(boost::asio::io_context& loop,
                                                             const std::string& path, Handler handler) {
  std::unique_ptr<ControlServer> server{new ControlServer(loop, path, std::move(handler))};
  ::unlink(path.c_str());
  boost::system::error_code failed;
  const stream_protocol::endpoint endpoint(path);
  server->acceptor_.open(endpoint.protocol(), failed);
  const mode_t before = umask(0177);
  if (!failed) server->acceptor_.bind(endpoint, failed);
  umask(before);
  if (!failed) server->acceptor_.listen(boost::asio::socket_base::max_listen_connections, failed);
  if (failed) return error("control socket " + path + ": " + failed.message(), failed.value());
  server->accept();
  return server;
}

ControlServer::ControlServer(boost::asio::io_context& loop, std::string path, Handler handler)
    : acceptor_(loop), path_(std::move(path)), handler_(std::make_shared<Handler>(std::move(handler))) {}

ControlServer::~ControlServer() {
  ::unlink(path_.c_str());
}

void ControlServer::accept() {
  acceptor_.async_accept([this](boost::system::error_code failed, stream_protocol::socket socket) {
    if (failed == boost::asio::error::operation_aborted) return;
    if (!failed) std::make_shared<Session>(std::move(socket), handler_)->read();
    accept();
  });
}

}  // namespace hush::telemetry
