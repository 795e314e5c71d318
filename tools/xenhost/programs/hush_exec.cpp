// hush-exec: has commands run in the guests of the emulated host, through xenstore: it needs no network. One
// program in place of a dozen of xenstore's own: each costs an emulated machine a tenth of a second and more
// to start.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "tools/xenhost/programs/dom0_command.hpp"
#include "tools/xenhost/programs/exec_nodes.hpp"
#include "tools/xenhost/programs/guest_commands.hpp"

int main(int argc, char** argv) {
  using namespace hush::xenhost;
  CLI::App app{"Commands of Dom0 in guests, through xenstore"};
  app.require_subcommand(1);
  std::string guest;
  std::string command;
  unsigned seconds = 180;
  auto* serve = app.add_subcommand("serve", "in a guest: runs what Dom0 asks for, until it is killed");
  auto* run =
      app.add_subcommand("run", "in Dom0: the output and the status are the command's; 125: it was not run");
  run->add_option("GUEST", guest, "its name")->required();
  run->add_option("COMMAND", command, "for sh, 2040 bytes at most")->required();
  run->add_option("--timeout", seconds, "in seconds")->envname("GUEST_EXEC_TIMEOUT")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  hush::Error failed;
  if (*serve) {
    failed = serve_commands();
  } else {
    auto answer = run_in_guest(guest, command, std::chrono::seconds(seconds));
    if (answer) {
      std::fwrite(answer->output.data(), 1, answer->output.size(), stdout);
      return answer->status;
    }
    failed = answer.error();
  }
  std::fprintf(stderr, "hush-exec: %s\n", failed.text.c_str());
  return kNotRun;
}
