#include "common/telemetry/control_server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>

namespace hush::telemetry {

using boost::asio::local::stream_protocol;

namespace {
// Until a connection is taken again where none could be, as without descriptors: trying at once would spin.
constexpr auto kAcceptAgain = std::chrono::milliseconds(100);
}  // namespace

class ControlServer::Session : public std::enable_shared_from_this<Session> {
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
  void end() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void answer(std::size_t length) {
    const auto request = nlohmann::json::parse(input_.substr(0, length), nullptr, false);
    input_.erase(0, length);
    nlohmann::json said;
    try {
      if (request.is_object())
        said = (*handler_)(request);
      else
        said["error"] = "the request is not a JSON object on one line";
    } catch (const nlohmann::json::exception&) {  // a number where the handler reads a word
      said = {{"error", "a value of the request is of another type than its command takes"},
              {"code", EINVAL}};
    }
    output_ = said.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
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
    : acceptor_(loop),
      accept_again_(loop),
      path_(std::move(path)),
      handler_(std::make_shared<Handler>(std::move(handler))) {}

ControlServer::~ControlServer() {
  ::unlink(path_.c_str());
}

void ControlServer::accept() {
  acceptor_.async_accept([this](boost::system::error_code failed, stream_protocol::socket socket) {
    if (failed == boost::asio::error::operation_aborted) return;
    if (!failed) {
      begin(std::move(socket));
      return accept();
    }
    accept_again_.expires_after(kAcceptAgain);
    accept_again_.async_wait([this](boost::system::error_code stopped) {
      if (!stopped) accept();
    });
  });
}

void ControlServer::begin(stream_protocol::socket socket) {
  std::erase_if(sessions_, [](const auto& session) { return session.expired(); });
  if (sessions_.size() == kMaxSessions) {
    if (const auto oldest = sessions_.front().lock()) oldest->end();
    sessions_.pop_front();
  }
  const auto session = std::make_shared<Session>(std::move(socket), handler_);
  sessions_.push_back(session);
  session->read();
}

}  // namespace hush::telemetry
