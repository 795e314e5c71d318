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
#include "domu/preflight.hpp"
#include "domu/take_over.hpp"
#include "domu/vif/vif_manager.hpp"
#include "xenstore/keys.hpp"

namespace {

using namespace hush;
using namespace std::chrono_literals;

// More than so many are for who asks for them: each queue costs grants, and the back end a thread's
// attention.
constexpr std::uint32_t kUsualQueues = 4;
constexpr unsigned kMaxThreads = 64;

struct Options {
  std::uint32_t device = 0;
  std::string tap;
  bool up = false;
  bool take_over = false;
  bool give_back = false;
  std::string sysfs = "/sys";
  std::uint32_t queues = std::clamp(std::thread::hardware_concurrency(), 1U, kUsualQueues);
  unsigned threads = 0;  // 0: one for each queue
  std::string path = "auto";
  std::uint32_t area_ring = 0;  // KiB; 0: as the back end advises
  std::vector<xenstore::Said> settings;
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

// For the queues of all vifs of this guest, which other processes may drive.
void allow_grants(const Options& options, xenstore::Client& store) {
  const auto vifs = store.view().list(xenstore::key::kDeviceVif);
  const std::size_t count = vifs ? std::max<std::size_t>(1, vifs->size()) : 1;
  const auto limit = domu::raise_grant_limit(
      count * options.queues * domu::pages_of_queue(options.path == "auto"), options.sysfs);
  if (!limit)
    spdlog::warn("{}", limit.error().text);
  else if (limit->before != limit->now)
    spdlog::info("this guest may grant {} pages instead of {} (gntalloc)", limit->now, limit->before);
}

Result<net::InterfaceState> take_from_kernel(const Options& options) {
  if (!options.take_over) return net::InterfaceState();
  auto taken = domu::take_over(domu::KernelNetfront(options.device, options.sysfs));
  if (!taken) return taken.error();
  if (!*taken) return net::InterfaceState();
  spdlog::info("vif-{} taken over from the kernel's xen-netfront{}{}", options.device,
               (*taken)->name.empty() ? "" : ", with what its interface had: ", (*taken)->name);
  return **taken;
}

// name: of the interface that the kernel makes; ours may have another one.
Result<void> give_to_kernel(const Options& options, const net::InterfaceState& ours,
                            const std::string& name) {
  auto given = domu::give_back(domu::KernelNetfront(options.device, options.sysfs), ours, name);
  if (!given)
    return error("cannot give the vif back to the kernel: " + given.error().text, given.error().code);
  spdlog::info("the kernel has vif-{} ({}) again", options.device, name);
  return {};
}

// Until a signal ends it. What the interface has then.
Result<net::InterfaceState> drive(const Options& options, const net::InterfaceState& had,
                                  domu::VifManager& manager, boost::asio::io_context& loop,
                                  const telemetry::ServiceManager& service) {
  std::string tap = options.tap;
  if (tap.empty()) tap = had.name.empty() ? "eth" + std::to_string(options.device) : had.name;
  if (auto added = manager.add({.device = options.device,
                                .tap = tap,
                                .up = options.up,
                                .take_over = options.take_over,
                                .had = had,
                                .sysfs = options.sysfs,
                                .queues = options.queues,
                                .area = options.path == "auto",
                                .area_ring = options.area_ring * 1024,
                                .settings = options.settings});
      !added)
    return added.error();
  // Not when it serves: its device may come tomorrow, and the guest is to go on booting. The interface is
  // there.
  service.say("READY=1\nSTATUS=interface " + tap + " for vif-" + std::to_string(options.device));
  loop.run();
  spdlog::info("counted: {}", manager.describe().dump());
  return manager.interface();
}

Result<void> serve(const Options& options) {
  boost::asio::io_context loop{1};
  auto store = xenstore::Client::open(loop);
  if (!store) return store.error();
  auto shares = xen::GrantShare::open();
  if (!shares) return shares.error();
  auto workers = start_workers(options.threads != 0 ? options.threads : options.queues);
  if (!workers) return workers.error();
  const auto wake_cost = poll::measure_wake_cost();
  if (!wake_cost) return wake_cost.error();
  allow_grants(options, **store);
  domu::Guest guest{loop, **store, std::move(*shares), std::move(*workers), *wake_cost};
  std::optional<domu::VifManager> manager(guest);
  const auto service = telemetry::ServiceManager::from_environment();
  // Before the kernel lets go: a signal must not end it between two hands.
  const Daemon daemon{loop, *manager, service};
  const auto had = take_from_kernel(options);
  if (!had) return had.error();
  const auto left = drive(options, *had, *manager, loop, service);
  manager.reset();  // and with it the interface and its name
  if (left && options.give_back)
    return give_to_kernel(options, *left, had->name.empty() ? left->name : had->name);
  if (!left && !had->name.empty()) {
    if (auto given = give_to_kernel(options, *had, had->name); !given)
      spdlog::error("{}", given.error().text);
  }
  return left ? Result<void>() : left.error();
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

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Drives a virtual network interface of this guest (the front end of Xen's network split driver)."};
  app.set_version_flag("--version", HUSH_VERSION);
  app.add_option("--device", options.device, "number of the vif: device/vif/N")
      ->check(CLI::Range(0U, xenstore::kMaxHandle))
      ->capture_default_str();
  app.add_option(
      "--tap", options.tap,
      "name of the interface to make; default: that of the kernel's which is taken over, else eth and the "
      "device's number");
  app.add_flag("--take-over", options.take_over,
               "where the kernel's xen-netfront drives the vif, take it from there, with the addresses and "
               "routes of its "
               "interface; also when the device is attached anew");
  app.add_flag("--give-back", options.give_back,
               "at the end, have the kernel's xen-netfront drive the vif again");
  app.add_option("--sysfs", options.sysfs, "where /sys is: for tests")->capture_default_str()->group("");
  app.add_flag("--up", options.up,
               "set the interface up; otherwise it is as a network card is, down until told");
  app.add_option(
         "--queues", options.queues,
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
  add_settings(app, options.settings);
  app.add_option("--log-level", options.log_level, "how much is said on stderr")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
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
