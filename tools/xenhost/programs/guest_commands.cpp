#include "tools/xenhost/programs/guest_commands.hpp"

#include <sys/wait.h>

#include <boost/asio/io_context.hpp>
#include <boost/process.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "tools/xenhost/programs/exec_nodes.hpp"
#include "xenstore/client.hpp"

namespace hush::xenhost {
namespace {

namespace process = boost::process;

std::string last_bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0));
  in.seekg(static_cast<std::streamoff>(size - std::min(size, kMostOutput)));
  return {std::istreambuf_iterator<char>(in), {}};
}

// As a shell has it in $?.
int status_of(int waited) {
  return WIFSIGNALED(waited) ? 128 + WTERMSIG(waited) : WEXITSTATUS(waited);
}

class Commands {
 public:
  Commands(boost::asio::io_context& loop, xenstore::Client& store) : loop_(loop), store_(store) {}

  Result<void> on_change(const std::string& path) {
    auto view = store_.view();
    // The watch's first event says that it is registered: nothing written from then on is missed.
    if (path == kExec) return view.write(kAgent, kReady);
    auto command = view.read(path);
    if (!command) return command.error();
    if (!*command) return {};  // our own removal
    if (auto removed = view.remove(path); !removed) return removed;
    return run(path.substr(path.rfind('/') + 1), **command);
  }

 private:
  Result<void> run(const std::string& id, const std::string& command) {
    const std::filesystem::path said = "/tmp/said-" + id;
    auto child = std::make_shared<process::child>();
    auto ended = [this, id, said, child](int /*code*/, const std::error_code& /*unused*/) {
      if (auto told = answer(id, said, status_of(child->native_exit_code())); !told)
        std::fprintf(stderr, "hush-exec: %s\n", told.error().text.c_str());
    };
    std::error_code failed;
    *child =
        process::child("/bin/sh", "-c", command,
                       process::std_in<process::null, (process::std_out & process::std_err)> said.string(),
                       loop_, process::on_exit = ended, process::limit_handles, failed);
    if (failed) return error("cannot start /bin/sh: " + failed.message(), failed.value());
    return {};
  }

  Result<void> answer(const std::string& id, const std::filesystem::path& said, int status) {
    const std::string output = last_bytes_of(said);
    std::filesystem::remove(said);
    // One transaction: who sees the status sees all of it.
    return store_.transact([&](xenstore::View& view) -> Result<void> {
      const std::string done = kDone + "/" + id + "/";
      std::size_t pieces = 0;
      for (std::size_t at = 0; at < output.size(); at += kPiece)
        if (auto put = view.write(done + std::to_string(pieces++), output.substr(at, kPiece)); !put)
          return put;
      return view.write(done + "status", std::to_string(status) + " " + std::to_string(pieces));
    });
  }

  boost::asio::io_context& loop_;
  xenstore::Client& store_;
};

}  // namespace

Error serve_commands() {
  boost::asio::io_context loop;
  auto store = xenstore::Client::open(loop);
  if (!store) return store.error();
  Commands commands{loop, **store};
  Result<void> went;
  auto watched = (*store)->watch(kExec, [&](const std::string& path) {
    if (!went) return;  // of the same turn
    if (went = commands.on_change(path); !went) loop.stop();
  });
  if (!watched) return watched.error();
  loop.run();
  return went.error();
}

}  // namespace hush::xenhost
