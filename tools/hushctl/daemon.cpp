#include "tools/hushctl/daemon.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace hush::hushctl {
namespace {

using boost::asio::local::stream_protocol;

Error failure(const std::string& socket, const boost::system::error_code& failed) {
  std::string text = "cannot talk to hush-backd at " + socket + ": " + failed.message();
  // asio's own errors (end of file) have small numbers of another meaning.
  const int code = failed.category() == boost::system::system_category() ? failed.value() : EIO;
  if (code == ENOENT || code == ECONNREFUSED) text += " (is it running, and with this --run-dir?)";
  return error(std::move(text), code);
}

// One request and one answer, as steps on a loop that is left when the patience ends.
class Exchange {
 public:
  Exchange(boost::asio::io_context& loop, const nlohmann::json& request)
      : socket_(loop),
        output_(request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n") {}

  void start(const std::string& path) {
    socket_.async_connect(stream_protocol::endpoint(path), [this](boost::system::error_code failed) {
      if (!ended(failed)) send();
    });
  }
  [[nodiscard]] const boost::system::error_code& failed() const { return failed_; }
  [[nodiscard]] const std::string& line() const { return line_; }

 private:
  void send() {
    boost::asio::async_write(socket_, boost::asio::buffer(output_),
                             [this](boost::system::error_code failed, std::size_t) {
                               if (!ended(failed)) receive();
                             });
  }
  void receive() {
    boost::asio::async_read_until(
        socket_, boost::asio::dynamic_buffer(line_), '\n',
        [this](boost::system::error_code failed, std::size_t) { failed_ = failed; });
  }
  bool ended(boost::system::error_code failed) {
    failed_ = failed;
    return bool{failed};
  }

  stream_protocol::socket socket_;
  std::string output_;
  std::string line_;
  boost::system::error_code failed_;
};

}  // namespace

Result<nlohmann::json> ask(const std::string& path, const nlohmann::json& request,
                           std::chrono::milliseconds patience) {
  boost::asio::io_context loop;
  Exchange exchange{loop, request};
  exchange.start(path);
  loop.run_for(patience);
  if (!loop.stopped())
    return error(
        "hush-backd at " + path + " does not answer within " + std::to_string(patience.count()) + " ms",
        ETIMEDOUT);
  if (exchange.failed()) return failure(path, exchange.failed());
  auto answer = nlohmann::json::parse(exchange.line(), nullptr, false);
  if (!answer.is_object())
    return error("hush-backd at " + path + " answered with something that is not JSON");
  if (answer.contains("error")) return error(answer["error"].get<std::string>(), answer.value("code", 0));
  return answer;
}

int exit_code(const Error& failure) {
  switch (failure.code) {
    case EINVAL:
      return kUsage;
    case ENOENT:
    case ECONNREFUSED:
      return kNotFound;
    case EACCES:
    case EPERM:
      return kNotPermitted;
    case ETIMEDOUT:
      return kTimedOut;
    default:
      return 1;
  }
}

}  // namespace hush::hushctl
