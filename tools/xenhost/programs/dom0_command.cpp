#include "tools/xenhost/programs/dom0_command.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "tools/xenhost/programs/exec_nodes.hpp"
#include "xenstore/client.hpp"

namespace hush::xenhost {
namespace {

const std::string kDomains = "/local/domain";

// Of a name that a domain and its successor have for a moment: the successor's.
Result<std::optional<std::string>> home_of(const xenstore::View& view, const std::string& guest) {
  auto domains = view.list(kDomains);
  if (!domains) return domains.error();
  std::optional<std::string> home;
  long newest = 0;
  for (const auto& domain : *domains) {
    auto name = view.read(kDomains + "/" + domain + "/name");
    if (!name) return name.error();
    const long number = std::strtol(domain.c_str(), nullptr, 10);
    if (*name != guest || number < newest) continue;
    newest = number;
    home = kDomains + "/" + domain + "/";
  }
  return home;
}

Result<Answer> answer_of(const xenstore::View& view, const std::string& done, const std::string& status) {
  Answer answer;
  unsigned pieces = 0;
  if (!(std::istringstream(status) >> answer.status >> pieces))
    return error("what is in " + done + "/status is no status");
  for (unsigned piece = 0; piece < pieces; ++piece) {
    auto text = view.read(done + "/" + std::to_string(piece));
    if (!text) return text.error();
    answer.output += text->value_or("");
  }
  return answer;
}

}  // namespace

Result<Answer> run_in_guest(const std::string& guest, const std::string& command,
                            std::chrono::seconds patience) {
  if (command.size() > kMostCommand) return error("the command is too long for a xenstore node");
  boost::asio::io_context loop;
  auto store = xenstore::Client::open(loop);
  if (!store) return store.error();
  auto view = (*store)->view();
  auto home = home_of(view, guest);
  if (!home) return home.error();
  if (!*home) return error("there is no guest " + guest);

  const std::string id = std::to_string(getpid()) + "-" +
                         std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  const std::string done = **home + kDone + "/" + id;
  std::optional<Result<Answer>> answer;
  auto end = [&](Result<Answer> with) {
    if (!answer) answer = std::move(with);
    loop.stop();
  };
  auto look = [&](const std::string& /*path*/) {
    auto status = view.read(done + "/status");
    if (!status) return end(status.error());
    if (*status) return end(answer_of(view, done, **status));
    auto name = view.read(**home + "name");
    if (!name || !*name) end(error("guest " + guest + " went while it ran: " + command));
  };
  // Before the command is written, so that no answer is missed.
  if (auto watched = (*store)->watch(done + "/status", look); !watched) return watched.error();
  if (auto watched = (*store)->watch("@releaseDomain", look); !watched) return watched.error();
  if (auto written = view.write(**home + kExec + "/" + id, command); !written) return written.error();
  boost::asio::steady_timer timer{loop, patience};
  timer.async_wait([&](const boost::system::error_code& stopped) {
    if (!stopped) end(error("guest " + guest + ": no answer to: " + command));
  });
  loop.run();
  (void)view.remove(done);
  return std::move(*answer);
}

}  // namespace hush::xenhost
