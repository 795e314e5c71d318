// hushctl: shows what hush-backd does, and tells it to.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "tools/hushctl/daemon.hpp"
#include "tools/hushctl/table.hpp"

namespace {

using namespace hush;
using nlohmann::json;

// Exit codes, as in the manual: 0 done, 1 failed, 2 wrong usage, 3 no such vif or daemon, 4 not permitted.
int exit_code(const Error& e) {
  switch (e.code) {
    case ENOENT:
    case ECONNREFUSED:
      return 3;
    case EACCES:
    case EPERM:
      return 4;
    default:
      return 1;
  }
}

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

void print_list(const json& vifs) {
  std::vector<std::vector<std::string>> rows{
      {"VIF", "INTERFACE", "DOMID", "STATE", "QUEUES", "TX-REF/RX-REF", "EVT-CH", "CONNECTS", "FAULT"}};
  for (const auto& v : vifs) {
    const json first = v.contains("queues") ? v["queues"][0] : json::object();
    const auto pair = [&](const char* a, const char* b) {
      return first.contains(a) ? text_of(first[a]) + "/" + text_of(first[b]) : std::string("-");
    };
    const std::size_t queues = v.contains("queues") ? v["queues"].size() : 0;
    rows.push_back({text_of(v["vif"]), text_of(v["interface"]), text_of(v["domid"]), text_of(v["state"]),
                    std::to_string(queues), pair("tx_ring_ref", "rx_ring_ref"),
                    pair("event_channel_tx", "event_channel_rx"), text_of(v["connects"]),
                    text_of(v["fault"])});
  }
  hushctl::print_table(std::cout, rows);
}

void print_stats(const json& vifs) {
  for (const auto& v : vifs) {
    std::cout << text_of(v["vif"]) << "  " << text_of(v["state"]) << '\n';
    std::vector<std::vector<std::string>> rows{{"", "guest_tx", "guest_rx"}};
    for (const auto& [counter, value] : v["guest_tx"].items())
      rows.push_back({"  " + counter, text_of(value), text_of(v["guest_rx"][counter])});
    hushctl::print_table(std::cout, rows);
    std::cout << "  rx_waits " << v["rx_waits"] << ", rx_gso_checksum_fixup " << v["rx_gso_checksum_fixup"]
              << '\n';
    for (const auto& [direction, drops] : v["drops"].items())
      for (const auto& [reason, count] : drops.items())
        if (count != 0) std::cout << "  " << direction << " drops " << reason << ' ' << count << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string run_directory = "/run/hushring", vif, file;
  bool as_json = false;
  CLI::App app{"Shows and steers hush-backd."};
  app.set_version_flag("--version", HUSH_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--run-dir", run_directory, "the daemon's --run-dir")->capture_default_str();
  app.add_flag("-j,--json", as_json, "the answer as JSON");
  auto* list = app.add_subcommand("list", "the vifs, one a line");
  auto* stats = app.add_subcommand("stats", "all counters");
  auto* capture = app.add_subcommand("capture", "write a vif's frames to a pcap file until stopped");
  auto* stop = app.add_subcommand("capture-stop", "end it");
  stats->add_option("vif", vif, "only this one, as vif1.0");
  for (auto* command : {capture, stop}) command->add_option("vif", vif, "as vif1.0")->required();
  capture->add_option("file", file, "where to")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const std::string command = app.get_subcommands().front()->get_name();
  json request{{"command", command}};
  if (!vif.empty()) request["vif"] = vif;
  if (!file.empty())
    request["file"] = std::filesystem::absolute(file).string();  // the daemon has a directory of its own
  const auto answer = hushctl::ask(run_directory + "/backd.sock", request);
  if (!answer) {
    std::cerr << "hushctl: " << answer.error().text << '\n';
    return exit_code(answer.error());
  }
  if (as_json)
    std::cout << answer->value("vifs", json::object()).dump(2) << '\n';
  else if (list->parsed())
    print_list((*answer)["vifs"]);
  else if (stats->parsed())
    print_stats((*answer)["vifs"]);
  return 0;
}
