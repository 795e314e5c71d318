// simxen: the simulated Xen on the command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>

#include "tools/simxen/cli/commands.hpp"
#include "tools/simxen/cli/failure.hpp"
#include "tools/simxen/cli/number.hpp"

using namespace hush::simxen;  // NOLINT: the program itself

namespace {

// CLI11 says of a wrong command only that one is missing.
std::string complaint(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (app.get_subcommands().empty())
    for (int i = 1; i < argc; ++i)
      if (argv[i][0] != '-' && std::string(argv[i - 1]) != "--dir")
        return "there is no command '" + std::string(argv[i]) + "'";
  return error.what();
}

int one_line(std::string text, int status) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::cerr << "simxen: " << text << "\n";
  return status;
}

struct Arguments {
  std::string dir = World::from_environment().dir;
  std::string store = "xenstored";
  std::string domains = "0";
  std::string domain;
  std::string name;
  std::string netns;
  std::string what;
  std::string value;
  std::vector<std::string> words;
  RunOptions run;
  FaultOptions fault;
  int ready_fd = -1;
  bool json = false;
  bool reset = false;
  bool only_hypervisor = false;

  // Programs get the path in their environment, wherever they stand.
  World world() const {
    std::string path = std::filesystem::absolute(dir).lexically_normal();
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return {path};
  }
};

using Action = std::function<int()>;

CLI::App* command(CLI::App& app, Action& chosen, const char* name, const char* text, Action action) {
  CLI::App* sub = app.add_subcommand(name, text);
  sub->fallthrough();
  sub->callback([&chosen, action = std::move(action)] { chosen = action; });
  return sub;
}

void add_world_commands(CLI::App& app, Arguments& a, Action& chosen) {
  CLI::App* sub = command(app, chosen, "up", "start a world: the server, the real store, dom0",
                          [&a] { return up(a.world(), a.store, number(a.domains, "--domains", 0, 1000)); });
  sub->add_option("--store", a.store, "xenstored or oxenstored")->capture_default_str();
  sub->add_option("--domains", a.domains, "guest domains to create at once, numbered from 1")
      ->capture_default_str();
  command(app, chosen, "down", "end the world and everything that was started in it",
          [&a] { return down(a.world()); });
  sub = command(app, chosen, "list", "domains, ports, mappings, processes",
                [&a] { return list(a.world(), a.json); });
  sub->add_flag("--json", a.json, "everything, as JSON");
  sub = command(app, chosen, "counts", "how often each primitive was called, by domain",
                [&a] { return counts(a.world(), a.json, a.reset); });
  sub->add_flag("--json", a.json, "as JSON");
  sub->add_flag("--reset", a.reset, "start again from 0 after showing them");
  sub = command(app, chosen, "serve", "", [&a] { return serve(a.world(), a.store, a.ready_fd); });
  sub->group("");
  sub->add_option("--store", a.store, "");
  sub->add_option("--ready-fd", a.ready_fd, "");
}

void add_domain_commands(CLI::App& app, Arguments& a, Action& chosen) {
  CLI::App* sub = command(app, chosen, "create", "make a guest domain",
                          [&a] { return create(a.world(), a.domain, a.name); });
  sub->add_option("NUMBER", a.domain, "its number; without it, the next free one");
  sub->add_option("--name", a.name, "its name; without it, domN");
  sub = command(app, chosen, "kill", "crash a domain and let xl destroy it",
                [&a] { return kill_domain(a.world(), a.domain, a.only_hypervisor); });
  sub->add_option("DOMAIN", a.domain, "number or name")->required();
  sub->add_flag("--only-hypervisor", a.only_hypervisor, "without xl: the back ends' nodes stay");
  sub = command(app, chosen, "crash", "kill a domain's processes; its grants and ports stay",
                [&a] { return crash(a.world(), a.domain); });
  sub->add_option("DOMAIN", a.domain, "number or name")->required();
  sub = command(app, chosen, "pause", "stop a domain's processes",
                [&a] { return pause(a.world(), a.domain, true); });
  sub->add_option("DOMAIN", a.domain, "number or name")->required();
  sub = command(app, chosen, "unpause", "let them go on", [&a] { return pause(a.world(), a.domain, false); });
  sub->add_option("DOMAIN", a.domain, "number or name")->required();
}

void add_program_commands(CLI::App& app, Arguments& a, Action& chosen) {
  CLI::App* sub = command(app, chosen, "run", "run a program as a domain: run --domain 1 -- COMMAND...",
                          [&a] { return run(a.world(), a.run, a.words); });
  sub->add_option("--domain", a.run.domain, "number or name")->capture_default_str();
  sub->add_option("--netns", a.run.netns, "network namespace to run it in");
  sub->add_flag("--instrumented", a.run.instrumented, "preload this build's library with its sanitizers");
  sub->add_option("COMMAND", a.words, "the program and its arguments, after --")->required();
  sub->positionals_at_end();
  sub = command(app, chosen, "env", "what a shell has to export to be in a domain",
                [&a] { return print_environment(a.world(), a.domain.empty() ? "0" : a.domain); });
  sub->add_option("--domain", a.domain, "number or name");
  const auto wrap = [&app, &a, &chosen](const char* name, const char* text, const char* xl_command) {
    CLI::App* wrapper = command(app, chosen, name, text, [&a, xl_command] {
      std::vector<std::string> words{xl_command, a.domain};
      words.insert(words.end(), a.words.begin(), a.words.end());
      return change_device(a.world(), a.netns, words);
    });
    wrapper->add_option("--netns", a.netns, "network namespace to run xl and its scripts in");
    wrapper->add_option("DOMAIN", a.domain, "number or name")->required();
    return wrapper;
  };
  wrap("attach", "xl network-attach DOMAIN mac=... bridge=...", "network-attach")
      ->add_option("ARGUMENTS", a.words, "as xl's");
  wrap("detach", "xl network-detach DOMAIN DEVID", "network-detach")
      ->add_option("DEVID", a.words, "number or MAC")
      ->required();
}

void add_trouble_commands(CLI::App& app, Arguments& a, Action& chosen) {
  CLI::App* sub =
      command(app, chosen, "fault", "make a primitive fail: fault map every 10; alone, shows what is set",
              [&a] { return fault(a.world(), a.fault); });
  sub->add_option("PRIMITIVE", a.fault.primitive, "map, unmap, copy, notify, ... or all");
  sub->add_option("MODE", a.fault.mode, "once, always, probability P, after N, every N, off");
  sub->add_option("VALUE", a.fault.value, "P or N");
  sub->add_option("--domain", a.fault.domain, "only calls made by this domain");
  sub = command(app, chosen, "delay", "delay events MICROSECONDS",
                [&a] { return delay(a.world(), a.what, a.value); });
  sub->add_option("WHAT", a.what, "events")->required();
  sub->add_option("MICROSECONDS", a.value, "0 for none")->required();
  sub = command(app, chosen, "limit", "pages that a domain may share (xen-gntalloc's limit)",
                [&a] { return limit(a.world(), a.value, a.domain); });
  sub->add_option("PAGES", a.value, "")->required();
  sub->add_option("--domain", a.domain, "only this domain");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"simxen: a simulated Xen for unmodified programs"};
  app.set_version_flag("--version", HUSH_VERSION);
  app.require_subcommand(1);
  Arguments arguments;
  Action chosen;
  app.add_option("--dir", arguments.dir, "the world's directory ($SIMXEN_DIR)")->capture_default_str();
  add_world_commands(app, arguments, chosen);
  add_domain_commands(app, arguments, chosen);
  add_program_commands(app, arguments, chosen);
  add_trouble_commands(app, arguments, chosen);
  try {
    app.parse(argc, argv);
    return chosen();
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return one_line(complaint(app, error, argc, argv) + "; 'simxen --help' shows what there is",
                    kBadArguments);
  } catch (const Failure& failure) {
    return one_line(failure.what(), failure.exit_status);
  } catch (const std::exception& error) {
    return one_line(error.what(), kFailed);
  }
}
