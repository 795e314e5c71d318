// hush-backd: serves the vifs of this domain from user space. Builds the objects and runs the control loop.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>

#include "common/event/cpu_list.hpp"
#include "common/event/signals.hpp"
#include "common/poll/wake_cost.hpp"
#include "common/telemetry/control_server.hpp"
#include "dom0/control.hpp"
#include "dom0/preflight.hpp"
#include "dom0/profile/sqlite_profile_store.hpp"
#include "dom0/upgrade.hpp"
#include "dom0/vif/vif_manager.hpp"
#include "xenstore/keys.hpp"

namespace {

using namespace hush;

struct Options {
  unsigned threads = 1;
  std::string pin;  // processors for them; empty: any
  unsigned queues = std::clamp(std::thread::hardware_concurrency(), 1U, xenstore::kMaxQueues);
  std::string run_directory = "/run/hushring";
  std::string profiles = "/var/lib/hushring/profiles.sqlite";
  std::string log_level = "info";
  std::vector<std::string> captures;  // VIF=FILE
  int successor_of = -1;              // the socket to the daemon before, of an upgrade
  std::vector<std::string> command;   // all words
};

constexpr unsigned kMaxThreads = 64;

Result<std::vector<dom0::Worker>> start_workers(const Options& options, DomId self) {
  // A daemon before this one, or after it, has as many for a moment.
  dom0::allow_shared_pages(2 * options.threads * dom0::BatchMemory::kPages);
  std::vector<unsigned> cpus;
  if (!options.pin.empty()) {
    auto list = event::parse_cpu_list(options.pin, event::available_cpus());
    if (!list) return list.error();
    cpus = std::move(*list);
  }
  std::vector<dom0::Worker> workers;
  for (unsigned i = 0; i < options.threads; ++i) {
    const auto cpu = cpus.empty() ? std::nullopt : std::optional(cpus[i % cpus.size()]);
    auto thread = event::DataThread::start("hush-data-" + std::to_string(i), cpu);
    if (!thread) return thread.error();
    auto pages = xen::CopyPages::create(dom0::BatchMemory::kPages, self);
    if (!pages) return pages.error();
    if (!pages->why_not_granted().empty())
      spdlog::warn("grant copies cost more: {} (modprobe xen-gntalloc)", pages->why_not_granted());
    auto memory = std::make_unique<dom0::BatchMemory>((*thread)->grants(), std::move(*pages));
    workers.push_back({std::move(*thread), std::move(memory), 0});
  }
  return workers;
}

constexpr auto kStopBound = std::chrono::seconds(5);

// What signals ask for.
struct Wishes {
  std::function<void()> look_again = [] {};
  std::function<void()> upgrade = [] {};
};

Result<std::unique_ptr<event::Signals>> take_signals(boost::asio::io_context& loop, const Wishes& wishes) {
  event::Signals::Actions actions;
  actions.bound = kStopBound;
  actions.on_signal = [&loop, &wishes](int signal) {
    if (signal == SIGHUP) return wishes.look_again();
    if (signal == SIGUSR2) return wishes.upgrade();
    if (signal != SIGTERM && signal != SIGINT) return spdlog::debug("ignored: signal {}", signal);
    spdlog::info("stopping on {}; connected guests keep their state and wait", sigdescr_np(signal));
    loop.stop();
  };
  actions.on_late = [] {
    spdlog::warn("told to stop {} s ago and held up since: ends as it stands, and nothing is lost by it",
                 kStopBound.count());
  };
  return event::Signals::take(loop, std::move(actions));
}

Result<dom0::Locks> take_locks(const std::string& run_directory) {
  auto directory = dom0::lock_run_directory(run_directory);
  if (!directory) return directory.error();
  auto network = dom0::lock_network();
  if (!network) return network.error();
  return dom0::Locks{std::move(*directory), std::move(*network)};
}

// What this daemon begins with: locks, and interfaces that are there already.
struct Beginning {
  dom0::Locks locks;
  std::optional<dom0::Predecessor::Handover> handover;
};
// Of a successor: when its predecessor has let go.
Result<Beginning> begin(const Options& options, dom0::Predecessor* predecessor, dom0::KeptTaps& taps) {
  if (!predecessor) {
    auto locks = take_locks(options.run_directory);
    if (!locks) return locks.error();
    if (auto done = taps.add(telemetry::ServiceManager::take_kept()); !done)
      spdlog::warn("{}", done.error().text);
    return Beginning{std::move(*locks), {}};
  }
  auto handover = predecessor->prepared();
  if (!handover) return handover.error();
  for (auto& [vif, queues] : handover->taps)
    if (auto done = taps.add(vif, std::move(queues)); !done) spdlog::warn("{}: {}", vif, done.error().text);
  return Beginning{std::move(handover->locks), std::move(*handover)};
}

Result<void> serve(const Options& options, dom0::Predecessor* predecessor) {
  if (auto clear = dom0::check_no_kernel_netback(); !clear) return clear;
  const auto service = telemetry::ServiceManager::from_environment();
  dom0::KeptTaps taps{&service};
  // A daemon that cannot serve says so before it measures anything.
  std::optional<Beginning> beginning;
  if (!predecessor) {
    auto begun = begin(options, nullptr, taps);
    if (!begun) return begun.error();
    beginning = std::move(*begun);
  }

  boost::asio::io_context loop{1};
  Wishes wishes;
  const auto signals = take_signals(loop, wishes);
  if (!signals) return signals.error();

  auto store = xenstore::Client::open(loop, [](const std::string& line) { spdlog::warn("{}", line); });
  if (!store) return store.error();
  const auto self = xenstore::read_own_domain((*store)->view());
  if (!self) return self.error();
  const auto wake_cost = poll::measure_wake_cost();
  if (!wake_cost) return wake_cost.error();
  auto workers = start_workers(options, *self);
  if (!workers) return workers.error();
  dom0::Settings settings{**store,
                          {{xenstore::key::kMaxQueues, std::to_string(options.queues), "--max-queues"}},
                          options.log_level};
  auto grants = xen::GrantTable::open();
  if (!grants) return grants.error();
  dom0::SqliteProfileStore profiles{options.profiles,
                                    [](const std::string& line) { spdlog::warn("{}", line); }};
  dom0::Host host{loop, **store, std::move(*workers), settings, *wake_cost, std::move(*grants)};
  host.profiles = &profiles;
  if (auto folder = dom0::InflightFolder::open(options.run_directory); folder)
    host.inflight = std::move(*folder);
  else
    spdlog::warn("requests in progress are not kept for a daemon after this one: {}", folder.error().text);
  if (!beginning) {
    auto begun = begin(options, predecessor, taps);
    if (!begun) return begun.error();
    beginning = std::move(*begun);
  }
  host.taps = std::move(taps);

  dom0::VifManager manager{host};
  if (!predecessor)  // a file that was begun is not begun anew
    for (const auto& capture : options.captures) {
      const auto split = capture.find('=');
      manager.capture_when_connected(capture.substr(0, split), capture.substr(split + 1));
    }
  dom0::Upgrades upgrades{loop, options.command, [&loop] { loop.stop(); }};
  dom0::Control control{manager, host, upgrades};
  if (auto watching = manager.start(); !watching) return watching;
  (*store)->survive(
      [](const std::string& why) {
        spdlog::warn("{}; all vifs are served on, and nothing changes until one is there again", why);
      },
      [&manager] { manager.store_is_back(); });
  wishes.look_again = [&manager] { manager.look_again(); };
  wishes.upgrade = [&upgrades] { (void)upgrades.begin(""); };
  if (predecessor) {
    while (!manager.taken_up()) loop.run_one();
    upgrades.came(*beginning->handover);
    if (auto done = dom0::sign_lock(beginning->locks.run_directory); !done)
      spdlog::warn("{}", done.error().text);
    predecessor->say_serving();
  }
  const auto answer = [&control](const nlohmann::json& request) { return control.answer(request); };
  for (;;) {
    auto socket = telemetry::ControlServer::listen(loop, options.run_directory + "/backd.sock", answer);
    if (!socket) return socket.error();
    spdlog::info("ready: {} data thread{}, a sleep and wake-up costs {} us", options.threads,
                 options.threads == 1 ? "" : "s",
                 std::chrono::duration_cast<std::chrono::microseconds>(*wake_cost).count());
    loop.restart();
    loop.run();
    if (!upgrades.prepared()) return {};
    socket->reset();  // the new one has it at the same path
    manager.let_go();
    if (const auto pid = upgrades.hand_over(beginning->locks, host.taps.here())) {
      service.say("MAINPID=" + std::to_string(*pid));
      spdlog::info("process {} serves now", *pid);
      return {};
    }
    manager.take_up();
  }
}

}  // namespace

int main(int argc, char** argv) {
  event::Signals::hold();
  umask(077);  // what this makes (lock, socket, captures of guests' traffic) is its owner's alone
  Options options;
  CLI::App app{
      "Serves the virtual network interfaces of guests (the back end of Xen's network split driver)."};
  app.set_version_flag("--version", HUSH_VERSION);
  app.add_option("--threads", options.threads, "data threads")
      ->check(CLI::Range(1U, kMaxThreads))
      ->capture_default_str();
  app.add_option("--pin", options.pin, "processors to keep the data threads on, in turn, as 0-3,5")
      ->check([](const std::string& text) {
        const auto list = event::parse_cpu_list(text, event::available_cpus());
        return list ? std::string() : list.error().text;
      });
  app.add_option("--max-queues", options.queues, "queues that a vif is offered")
      ->check(CLI::Range(1U, xenstore::kMaxQueues))
      ->capture_default_str();
  app.add_option("--run-dir", options.run_directory, "where the lock and the control socket lie")
      ->capture_default_str();
  app.add_option("--profiles", options.profiles, "file of what workloads were found to use")
      ->check([](const std::string& file) { return file.empty() ? "expected a file" : std::string(); })
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "how much is said on stderr")
      ->check(CLI::IsMember(xenstore::kLogLevels))
      ->capture_default_str();
  app.add_option("--capture", options.captures,
                 "VIF=FILE: frames of the vif, as pcap, from its connection on")
      ->check([](const std::string& text) {
        const auto split = text.find('=');
        return split == std::string::npos || split == 0 || split + 1 == text.size()
                   ? "expected VIF=FILE, as vif1.0=/tmp/a.pcap"
                   : std::string();
      });
  app.add_option(dom0::Successor::kOption, options.successor_of)->group("");  // hidden: an upgrade's
  options.command.assign(argv, argv + argc);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int rc = app.exit(e);
    return rc == 0 ? 0 : 2;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_mt("hush-backd"));
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  spdlog::flush_on(spdlog::level::trace);
  Result<void> served;
  if (options.successor_of < 0) {
    served = serve(options, nullptr);
  } else if (auto predecessor = dom0::Predecessor::at(options.successor_of)) {
    served = serve(options, &*predecessor);
    if (!served) predecessor->say_failed(served.error().text);
  } else {
    served = predecessor.error();
  }
  if (served) return 0;
  spdlog::error("{}", served.error().text);
  return 1;
}
