// hush-frontd: drives a vif of this guest from user space. Builds the objects and runs the control loop.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstring>
#include <iostream>
#include <thread>

#include "common/poll/wake_cost.hpp"
#include "common/telemetry/service_manager.hpp"
#include "common/xen/dead_channels.hpp"
#include "domu/vif/vif_manager.hpp"
#include "xenstore/keys.hpp"

namespace {

using namespace hush;
using namespace std::chrono_literals;

// More than so many are for who asks for them: each queue costs grants, and the back end a thread's
// attention.
constexpr std::uint32_t kUsualQueues = 4;
constexpr unsigned kMaxThreads = 64;

constexpr char kAll[] = "all";

struct Options {
  std::vector<std::string> devices{"0"};
  domu::VifManager::Options vifs;
  unsigned threads = 0;  // 0: one for each queue
  std::string path = "auto";
  std::uint32_t area_ring = 0;  // KiB; 0: as the back end advises
  std::string log_level = "info";
};

// How long the back ends have to answer at the end, before the rings are taken back anyway.
constexpr auto kFarewell = 3s;

class Daemon {
 public:
  Daemon(boost::asio::io_context& loop, domu::VifManager& manager, const telemetry::ServiceManager& service)
      : loop_(loop),
        manager_(manager),
        service_(service),
        stop_(loop, SIGTERM, SIGINT),
        report_(loop, SIGUSR1),
        deadline_(loop),
        alive_(loop) {
    stop_.async_wait([this](const boost::system::error_code& failed, int signal) {
      if (!failed) stop(signal);
    });
    wait_for_report();
    show_life();
  }

 private:
  void stop(int signal) {
    spdlog::info("stopping on {}", sigdescr_np(signal));
    service_.say("STOPPING=1");
    deadline_.expires_after(kFarewell);
    deadline_.async_wait([this](const boost::system::error_code& failed) {
      if (failed) return;
      spdlog::warn("a back end does not answer; leaving without it");
      loop_.stop();
    });
    manager_.leave([this] { loop_.stop(); });
  }
  // That the loop turns, where the service manager wants to know it.
  void show_life() {
    if (!service_.sign_of_life()) return;
    service_.say("WATCHDOG=1");
    alive_.expires_after(*service_.sign_of_life());
    alive_.async_wait([this](const boost::system::error_code& failed) {
      if (!failed) show_life();
    });
  }
  void wait_for_report() {
    report_.async_wait([this](const boost::system::error_code& failed, int) {
      if (failed) return;
      std::cout << manager_.describe().dump() << std::endl;
      wait_for_report();
    });
  }

  boost::asio::io_context& loop_;
  domu::VifManager& manager_;
  const telemetry::ServiceManager& service_;
  boost::asio::signal_set stop_, report_;
  boost::asio::steady_timer deadline_, alive_;
};

Result<std::vector<domu::Worker>> start_workers(unsigned count) {
  std::vector<domu::Worker> workers;
  for (unsigned i = 0; i < count; ++i) {
    auto thread = event::DataThread::start("hush-data-" + std::to_string(i));
    if (!thread) return thread.error();
    workers.push_back({std::move(*thread)});
  }
  return workers;
}

Result<void> serve(const Options& options) {
  boost::asio::io_context loop{1};
  auto store = xenstore::Client::open(loop, [](const std::string& line) { spdlog::warn("{}", line); });
  if (!store) return store.error();
  auto shares = xen::GrantShare::open();
  if (!shares) return shares.error();
  auto workers = start_workers(options.threads != 0 ? options.threads : options.vifs.each.queues);
  if (!workers) return workers.error();
  const auto wake_cost = poll::measure_wake_cost();
  if (!wake_cost) return wake_cost.error();
  const auto self = domu::OwnDomain::read(**store);
  if (!self) return self.error();
  domu::Guest guest{loop, **store, std::move(*shares), std::move(*workers), *wake_cost, *self};
  domu::VifManager manager(options.vifs, guest);
  const auto service = telemetry::ServiceManager::from_environment();
  // Before the kernel lets go: a signal must not end it between two hands.
  const Daemon daemon{loop, manager, service};
  if (auto begun = manager.begin(); !begun) return begun;
  // Not when it serves: its device may come tomorrow, and the guest is to go on booting. The interface is
  // there.
  const std::string interfaces = manager.summary();
  service.say("READY=1\nSTATUS=" + (interfaces.empty() ? "waiting for vifs" : interfaces));
  loop.run();
  spdlog::info("counted: {}", manager.describe().dump());
  return manager.end();
}

// An option for each setting that a front end has, by its name in xenstore.
void add_settings(CLI::App& app, std::vector<xenstore::Said>& into) {
  for (const auto& setting : xenstore::vif_settings()) {
    if (!setting.of_guest) continue;
    const std::string key(setting.name);
    app.add_option_function<std::string>(
           "--" + key,
           [&into, key](const std::string& text) {
             into.push_back({key, text, "--" + key});
           },
           std::string(setting.meaning))
        ->check([&setting](const std::string& text) {
          xenstore::VifSettings scratch;
          return take(setting, text, scratch) ? std::string() : "must be " + accepted(setting);
        })
        ->default_str(std::string(setting.fallback));
  }
}

// What follows from several options.
void settle(Options& options) {
  domu::VifManager::Options& vifs = options.vifs;
  const bool all = std::ranges::count(options.devices, kAll) != 0;
  if (!vifs.tap.empty() && vifs.tap.find("%d") == std::string::npos && (all || options.devices.size() > 1))
    throw CLI::ValidationError("--tap", "of several vifs it must have %d in it, for the device's number");
  if (!all)
    for (const std::string& device : options.devices)
      vifs.devices.push_back(static_cast<std::uint32_t>(std::stoul(device)));
  vifs.each.area = options.path == "auto";
  vifs.each.area_ring = options.area_ring * 1024;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == xen::kKeepsDeadChannels) xen::keep_dead_channels();
  Options options;
  options.vifs.each.queues = std::clamp(std::thread::hardware_concurrency(), 1U, kUsualQueues);
  CLI::App app{
      "Drives a virtual network interface of this guest (the front end of Xen's network split driver)."};
  app.set_version_flag("--version", HUSH_VERSION);
  domu::VifManager::Options& vifs = options.vifs;
  app.add_option("--device", options.devices,
                 "numbers of the vifs: each N of device/vif/N; or all: those that the guest has or gets")
      ->delimiter(',')
      ->check(CLI::Range(0U, xenstore::kMaxHandle) | CLI::IsMember({kAll}))
      ->capture_default_str();
  app.add_option("--tap", vifs.tap,
                 "name of the interface to make, with %d for the device's number; default: that of the "
                 "kernel's which is "
                 "taken over, else eth%d");
  app.add_flag("--take-over", vifs.each.take_over,
               "where the kernel's xen-netfront drives the vif, take it from there, with the addresses and "
               "routes of its "
               "interface; also when the device is attached anew");
  app.add_flag("--give-back", vifs.give_back,
               "at the end, have the kernel's xen-netfront drive the vif again");
  app.add_option("--sysfs", vifs.each.sysfs, "where /sys is: for tests")->capture_default_str()->group("");
  app.add_flag("--up", vifs.each.up,
               "set the interface up; otherwise it is as a network card is, down until told");
  app.add_option(
         "--queues", vifs.each.queues,
         "queues of the vif, where the back end takes as many and there are grants for them; default: as "
         "many as there are processors, at most " +
             std::to_string(kUsualQueues))
      ->check(CLI::Range(1U, xenstore::kMaxQueues));
  app.add_option("--threads", options.threads, "data threads that share the queues; default: one a queue")
      ->check(CLI::Range(1U, kMaxThreads));
  app.add_option("--path", options.path,
                 "auto: an area where the back end takes it, else the rings of netif.h; netif: those always")
      ->check(CLI::IsMember({"auto", "netif"}))
      ->capture_default_str();
  app.add_option(
         "--area-ring", options.area_ring,
         "KiB of each of the area's two rings at first, a power of two; default: as the back end advises")
      ->check(CLI::Range(area::kMinRing / 1024, area::kMaxRing / 1024))
      ->check([](const std::string& text) {
        return std::has_single_bit(std::stoul(text)) ? std::string() : "must be a power of two";
      });
  add_settings(app, vifs.each.settings);
  app.add_option("--log-level", options.log_level, "how much is said on stderr")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
    settle(options);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_mt("hush-frontd"));
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  spdlog::flush_on(spdlog::level::trace);
  if (auto served = serve(options); !served) {
    spdlog::error("{}", served.error().text);
    return 1;
  }
  return 0;
}
