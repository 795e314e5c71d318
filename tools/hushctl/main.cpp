// hushctl: shows what hush-backd does, and tells it to.
#include <CLI/CLI.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <list>
#include <thread>

#include "tools/hushctl/daemon.hpp"
#include "tools/hushctl/doctor.hpp"
#include "tools/hushctl/print.hpp"
#include "tools/hushctl/rates.hpp"
#include "tools/hushctl/table.hpp"

namespace {

using namespace hush;
using nlohmann::json;

constexpr char kFooter[] =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such vif, workload, program or daemon, 4 not "
    "permitted, 5 no "
    "answer in "
    "time, "
    "6 doctor found problems.\nData goes to stdout, messages to stderr. xenstore/README.md lists the "
    "settings.";

struct Options {
  std::string run_directory = "/run/hushring";
  unsigned patience = 5000;  // ms
  bool as_json = false;
  std::string vif, file, root;
  std::string workload;
  std::vector<std::string> sizes;  // as tx=512
  std::string key, value, for_vif, for_domain, for_mac;
  bool for_all = false, unset = false;
  double every = 0;  // seconds; 0: once
};

using Answer = Result<json>;
using Printer = void (*)(std::ostream&, const json&);

Answer ask(const Options& options, const json& request) {
  return hushctl::ask(options.run_directory + "/backd.sock", request,
                      std::chrono::milliseconds(options.patience));
}

int failed(const Error& why) {
  std::cerr << "hushctl: " << why.text << '\n';
  return hushctl::exit_code(why);
}

// Asks and shows: part is the field of the answer that holds the data; null: the whole answer.
int show(const Options& options, const json& request, const char* part, Printer print) {
  const Answer answer = ask(options, request);
  if (!answer) return failed(answer.error());
  const json data = part ? answer->value(part, json()) : *answer;
  if (options.as_json)
    std::cout << data.dump(2) << '\n';
  else if (print)
    print(std::cout, data);
  return 0;
}

json request_of(const Options& options, const char* command) {
  json request{{"command", command}};
  if (!options.vif.empty()) request["vif"] = options.vif;
  return request;
}

// Rates, until interrupted or until an answer fails: then the vif or the daemon is gone.
int watch(const Options& options) {
  const json request = request_of(options, "stats");
  using Clock = std::chrono::steady_clock;
  Answer before = ask(options, request);
  auto then = Clock::now();
  while (before) {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.every));
    Answer after = ask(options, request);
    if (!after) return failed(after.error());
    const auto now = Clock::now();
    const json rates = hushctl::rates((*before)["vifs"], (*after)["vifs"],
                                      std::chrono::duration<double>(now - then).count());
    if (options.as_json)
      std::cout << json{{"rates", rates}, {"vifs", (*after)["vifs"]}}.dump() << std::endl;
    else
      hushctl::print_rates(std::cout, rates), std::cout << std::endl;
    before = std::move(after);
    then = now;
  }
  return failed(before.error());
}

int change(const Options& options, const char* command) {
  json request{{"command", command}, {"key", options.key}, {"default", options.for_all}};
  if (!options.value.empty()) request["value"] = options.value;
  if (!options.for_vif.empty()) request["vif"] = options.for_vif;
  if (!options.for_domain.empty()) request["domain"] = options.for_domain;
  if (!options.for_mac.empty()) request["mac"] = options.for_mac;
  return show(options, request, nullptr, hushctl::print_change);
}

// Of the daemon: show it, or change it.
int daemon_setting(const Options& options, const char* command) {
  json request{{"command", command}, {"unset", options.unset}};
  if (!options.value.empty()) request["value"] = options.value;
  return show(options, request, nullptr, hushctl::print_daemon_setting);
}

int capture(const Options& options) {
  json request = request_of(options, "capture");
  request["file"] =
      std::filesystem::absolute(options.file).string();  // the daemon has a directory of its own
  return show(options, request, nullptr, nullptr);
}

// The words of "tx=512 rx=1024 queues=2" as fields; the daemon says what of them makes no sense.
int pin(const Options& options) {
  json request{{"command", "profile-set"}, {"workload", options.workload}};
  for (const auto& said : options.sizes) {
    const auto split = said.find('=');
    const std::string name = said.substr(0, split);
    if (split == said.npos || (name != "tx" && name != "rx" && name != "queues") || request.contains(name))
      return failed(error("'" + said + "' is not one of tx=KIB, rx=KIB and queues=N, each once", EINVAL));
    request[name] = said.substr(split + 1);
  }
  return show(options, request, "profile", hushctl::print_profile);
}

// The file and its trouble are said to people, too.
int list_profiles(const Options& options) {
  return show(options, json{{"command", "profile-list"}}, options.as_json ? "profiles" : nullptr,
              hushctl::print_profiles);
}

json profile_request(const Options& options, const char* command) {
  return {{"command", command}, {"workload", options.workload}};
}

// Another hush-backd in the place of the one that runs; done when it serves, or when the old one goes on.
int upgrade(const Options& options) {
  // Longer than both bounds of hush-backd's own (dom0/upgrade.hpp).
  constexpr auto kPatience = std::chrono::seconds(60);
  constexpr auto kAskAgain = std::chrono::milliseconds(20);
  json request{{"command", "upgrade"}};
  if (!options.file.empty()) request["program"] = std::filesystem::absolute(options.file).string();
  const Answer begun = ask(options, request);
  if (!begun) return failed(begun.error());
  const auto end = std::chrono::steady_clock::now() + kPatience;
  // While one hands over to the other nobody answers.
  Answer state = error("");
  const auto going_on = [&] { return !state || state->value("state", "") == "preparing"; };
  while (going_on() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kAskAgain);
    state = ask(options, json{{"command", "upgrade-state"}});
  }
  if (going_on())
    return failed(error("no hush-backd has said within " + std::to_string(kPatience.count()) +
                            " s that it serves; its log says why",
                        ETIMEDOUT));
  const std::string how = state->value("state", "");
  if (how == "failed")
    return failed(error("not upgraded, and the old hush-backd goes on: " + state->value("reason", ""), EIO));
  if (how != "done")
    return failed(error("hush-backd was started anew meanwhile, not by this upgrade; its log says why", EIO));
  if (options.as_json)
    std::cout << state->dump(2) << '\n';
  else
    std::cout << "upgraded from " << hushctl::text_of(state->value("from", json())) << "; guests waited "
              << state->value("gap_us", 0.0) / 1000 << " ms\n";
  return 0;
}

int version(const Options& options) {
  const Answer answer = ask(options, json{{"command", "version"}});
  if (!answer && hushctl::exit_code(answer.error()) != hushctl::kNotFound) return failed(answer.error());
  const json daemon = answer ? answer->value("version", json()) : json();
  if (options.as_json)
    std::cout << json{{"hushctl", HUSH_VERSION}, {"hush-backd", daemon}}.dump(2) << '\n';
  else
    std::cout << "hushctl " HUSH_VERSION "\nhush-backd "
              << (answer ? hushctl::text_of(daemon) : "not running here") << '\n';
  return 0;
}

hushctl::DaemonFacts gather_daemon_facts(const Options& options) {
  hushctl::DaemonFacts facts;
  const Answer answer = ask(options, json{{"command", "list"}});
  facts.running = answer.has_value();
  if (!answer) {
    facts.why_not = answer.error().text;
    facts.not_there = hushctl::exit_code(answer.error()) == hushctl::kNotFound;
    return facts;
  }
  for (const auto& v : answer->value("vifs", json::array()))
    facts.vifs.push_back({v.value("vif", ""), v.value("interface", ""), v.value("script", "vif-bridge"),
                          v.value("bridge", ""), v.value("state", "") == "Connected",
                          v.value("queues", json::array()).size(), v.value("fault", "")});
  // An older daemon has no profiles.
  if (const Answer profiles = ask(options, json{{"command", "profile-list"}})) {
    facts.profiles = profiles->value("file", "");
    facts.profiles_trouble = profiles->value("trouble", "");
  }
  return facts;
}

int doctor(const Options& options) {
  const auto checks =
      hushctl::examine(hushctl::gather_host_facts(options.root), gather_daemon_facts(options));
  std::vector<std::vector<std::string>> rows;
  json lines = json::array();
  std::size_t problems = 0;
  for (const auto& check : checks) {
    problems += !check.ok;
    rows.push_back({check.ok ? "OK" : "WRONG", check.name, check.text});
    lines.push_back({{"name", check.name}, {"ok", check.ok}, {"text", check.text}});
  }
  if (options.as_json)
    std::cout << json{{"problems", problems}, {"checks", lines}}.dump(2) << '\n';
  else
    hushctl::print_table(std::cout, rows);
  return problems == 0 ? 0 : hushctl::kProblems;
}

// The commands, their options, and which function runs each.
class CommandLine {
 public:
  explicit CommandLine(const Options& options = {}) : options_(options) {
    app_.set_version_flag("--version", HUSH_VERSION);
    app_.footer(kFooter);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_option("--run-dir", options_.run_directory, "the daemon's --run-dir")->capture_default_str();
    app_.add_option("--timeout", options_.patience, "ms to wait for the daemon's answer")
        ->check(CLI::Range(1U, 600'000U))
        ->capture_default_str();
    app_.add_flag("-j,--json", options_.as_json, "the answer as JSON");
    add_looking();
    add_changing();
    add_profiles();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      return app_.exit(e) == 0 ? 0 : hushctl::kUsage;
    }
    return run_parsed();
  }

 private:
  int run_parsed() {
    for (const auto& [command, run] : commands_)
      if (command->parsed()) return run();
    return hushctl::kUsage;
  }

  // Each line of the file is one of the commands that change what lies in xenstore. All of them must make
  // sense before the first is done.
  int load() {
    std::ifstream file(options_.file);
    if (!file) return failed(error("cannot read " + options_.file + ": " + std::strerror(errno), EIO));
    std::list<std::pair<std::string, CommandLine>> commands;  // where and what, parsed
    std::string text;
    for (std::size_t number = 1; std::getline(file, text); ++number) {
      const auto begin = text.find_first_not_of(" \t\r");
      if (begin == text.npos || text[begin] == '#') continue;
      const std::string line = text.substr(begin);
      auto& [where, command] = commands.emplace_back(
          options_.file + ":" + std::to_string(number) + ": '" + line + "'", daemon_only());
      if (const std::string why = command.refusal(line); !why.empty())
        return failed(error(where + ": " + why + "; nothing was done", EINVAL));
    }
    for (auto& [where, command] : commands)
      if (const int code = command.run_parsed(); code != 0) {
        std::cerr << "hushctl: " << where << " (above); the lines before it are done\n";
        return code;
      }
    return 0;
  }
  [[nodiscard]] Options daemon_only() const {
    Options same;
    same.run_directory = options_.run_directory;
    same.patience = options_.patience;
    same.as_json = options_.as_json;
    return same;
  }
  // Parses the line. Empty: it is a command that a file may have.
  std::string refusal(const std::string& line) {
    try {
      app_.parse(line);
    } catch (const CLI::ParseError& e) {
      return e.get_exit_code() == 0 ? "no command" : e.what();
    }
    for (const auto* command : loadable_)
      if (command->parsed()) return {};
    return "a file has set, unset, log-level, area-budget and profile set";
  }

  CLI::App* add(const char* name, const char* says, std::function<int()> run) {
    return add_below(app_, name, says, std::move(run));
  }
  CLI::App* add_below(CLI::App& parent, const char* name, const char* says, std::function<int()> run) {
    CLI::App* command = parent.add_subcommand(name, says);
    commands_.emplace_back(command, std::move(run));
    return command;
  }

  void add_looking() {
    const auto& o = options_;
    add("list", "the vifs, one a line",
        [&o] { return show(o, request_of(o, "list"), "vifs", hushctl::print_list); });
    add("show", "one vif: handshake, queues and ring indexes, features, settings and where each comes from",
        [&o] { return show(o, request_of(o, "show"), "vif", hushctl::print_show); })
        ->add_option("vif", options_.vif, "as vif1.0")
        ->required();
    auto* stats = add("stats", "all counters, or with -w what happens a second", [&o] {
      return o.every > 0 ? watch(o) : show(o, request_of(o, "stats"), "vifs", hushctl::print_stats);
    });
    stats->add_option("vif", options_.vif, "only this one, as vif1.0");
    stats->add_option("-w,--watch", options_.every, "rates every so many seconds, until interrupted")
        ->check(CLI::Range(0.01, 86400.0));
    add("areas", "the shared memory of each queue: its size, what it asks for and why; and the host's budget",
        [&o] {
          return show(o, json{{"command", "areas"}}, nullptr, hushctl::print_areas);
        });
    add("stalls", "queues whose guest takes no frames: since when, and why", [&o] {
      return show(o, request_of(o, "stalls"), "stalls", hushctl::print_stalls);
    })->add_option("vif", options_.vif, "only this one, as vif1.0");
    add("doctor", "what hush-backd needs of this machine: each line OK, or what to do", [&o] {
      return doctor(o);
    })->add_option("--root", options_.root, "look at the system below this directory");
    add("version", "of hushctl and of the daemon", [&o] { return version(o); });
  }

  void add_changing() {
    const auto& o = options_;
    auto* set = add("set", "a setting, for one vif or for several; live", [&o] { return change(o, "set"); });
    auto* unset = add("unset", "take a setting back: the next place that says it counts",
                      [&o] { return change(o, "unset"); });
    for (auto* command : {set, unset}) {
      command->add_option("key", options_.key, "as rate, max-queues, offload-checksum")->required();
      auto* place = command->add_option_group("place", "whose setting: one of");
      place->add_option("--vif", options_.for_vif, "this one, as vif1.0; goes away with it");
      place->add_option("--domain", options_.for_domain, "those of the guest of this name");
      place->add_option("--mac", options_.for_mac, "the one with this address");
      place->add_flag("--default", options_.for_all, "all that nothing stronger is said of");
      place->require_option(1);
    }
    set->add_option("value", options_.value, "its value")->required();
    add("load",
        "settings from a file: on each line set, unset, log-level, area-budget or profile set, with its "
        "words; # begins a comment",
        [this] { return load(); })
        ->add_option("file", options_.file, "as /etc/hushring/settings")
        ->required();
    auto* level = add("log-level", "of the daemon: show it, or set it",
                      [&o] { return daemon_setting(o, "log-level"); });
    level->add_option("level", options_.value, "trace, debug, info, warn or error");
    level->add_flag("--unset", options_.unset, "back to the daemon's --log-level");
    auto* budget = add("area-budget", "what all areas may take together: show it, or set it",
                       [&o] { return daemon_setting(o, "area-budget"); });
    budget->add_option("mib", options_.value, "MiB");
    budget->add_flag("--unset", options_.unset, "back to what is built in");
    loadable_ = {set, unset, level, budget};
    auto* start =
        add("capture", "write a vif's frames to a pcap file until stopped", [&o] { return capture(o); });
    auto* stop = add("capture-stop", "end it",
                     [&o] { return show(o, request_of(o, "capture-stop"), nullptr, nullptr); });
    for (auto* command : {start, stop}) command->add_option("vif", options_.vif, "as vif1.0")->required();
    start->add_option("file", options_.file, "where to")->required();
    add("upgrade", "another hush-backd in the place of the one that runs; guests stay connected",
        [&o] { return upgrade(o); })
        ->add_option("program", options_.file,
                     "its path (default: that which the one that runs was started from)");
  }

  void add_profiles() {
    const auto& o = options_;
    auto* profile =
        app_.add_subcommand("profile", "what is known of workloads, which new vifs of them begin with");
    profile->require_subcommand(1);
    profile->fallthrough();
    add_below(*profile, "list", "the workloads, one a line", [&o] { return list_profiles(o); });
    auto* one = add_below(*profile, "show", "one workload: what was pinned and seen", [&o] {
      return show(o, profile_request(o, "profile-show"), "profile", hushctl::print_profile);
    });
    auto* set =
        add_below(*profile, "set", "pin what new vifs of a workload begin with", [&o] { return pin(o); });
    auto* forget = add_below(*profile, "forget", "all that was pinned and learned of a workload", [&o] {
      return show(o, profile_request(o, "profile-forget"), nullptr, nullptr);
    });
    loadable_.push_back(set);
    for (auto* command : {one, set, forget})
      command->add_option("workload", options_.workload, "as the setting workload says it")->required();
    set->add_option("sizes", options_.sizes, "tx=KIB rx=KIB of the rings, queues=N that are offered at most")
        ->required();
  }

  CLI::App app_{"Shows and steers hush-backd, the back end of Xen's network split driver.", "hushctl"};
  Options options_;
  std::vector<std::pair<CLI::App*, std::function<int()>>> commands_;
  std::vector<CLI::App*> loadable_;
};

}  // namespace

int main(int argc, char** argv) {
  return CommandLine{}.run(argc, argv);
}
