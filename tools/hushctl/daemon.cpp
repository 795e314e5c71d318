#include "tools/hushctl/daemon.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace hush::hushctl {
namespace {

Error failure(const std::string& socket, const boost::system::error_code& failed) {
  std::string text = "cannot talk to hush-backd at " + socket + ": " + failed.message();
  if (failed.value() == ENOENT || failed.value() == ECONNREFUSED)
    text += " (is it running, and with this --run-dir?)";
  return error(std::move(text), failed.value());
}

}  // namespace

Result<nlohmann::json> ask(const std::string& path, const nlohmann::json& request) {
  using boost::asio::local::stream_protocol;
  boost::asio::io_context loop;
  stream_protocol::socket socket(loop);
  boost::system::error_code failed;
  socket.connect(stream_protocol::endpoint(path), failed);
  if (failed) return failure(path, failed);
  boost::asio::write(socket, boost::asio::buffer(request.dump() + "\n"), failed);
  if (failed) return failure(path, failed);
  std::string line;
  boost::asio::read_until(socket, boost::asio::dynamic_buffer(line), '\n', failed);
  if (failed) return failure(path, failed);
  auto answer = nlohmann::json::parse(line, nullptr, false);
  if (!answer.is_object())
    return error("hush-backd at " + path + " answered with something that is not JSON");
  if (answer.contains("error")) return error(answer["error"].get<std::string>(), answer.value("code", 0));
  return answer;
}

}  // namespace hush::hushctl
