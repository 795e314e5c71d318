// What in-flight arrays cost a packet of guest_tx: GuestTx as hush-backd runs it, with and without its file,
// slice after slice in turn (ABAB), one process. README.md says what the figures mean.
//
// The guest is this process (tests/support/fake_xen): a grant copy is a memcpy, and costs less than on Xen,
// so that the share is an upper bound. The TAP is a real one, in a network namespace of its own: root.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/net/link.hpp"
#include "common/net/tap.hpp"
#include "dom0/vif/guest_tx.hpp"
#include "tests/support/fake_xen/world.hpp"

namespace {

using namespace hush;
using Clock = std::chrono::steady_clock;

struct Options {
  std::uint16_t bytes = 64;
  std::uint32_t burst = 32;
  unsigned slices = 2000;   // of each kind
  unsigned packets = 1024;  // of a slice
};

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

// One guest_tx ring from end to end.
class Path {
 public:
  Path(dom0::BatchMemory& memory, int out, const std::string& file, const Options& options)
      : options_(options),
        data_(test::FakeXen::get().grant()),
        page_(shm::layout_at<netif::TxSring>(test::FakeXen::get().page(test::FakeXen::get().grant()).bytes)),
        front_(netif::TxFront::create(page_)),
        tx_(netif::TxBack::attach(page_, {}), test::kGuest, out, memory, counters_, multicast_,
            dom0::start_tx(page_, {file, false}, {}).inflight) {}

  // Nanoseconds a packet that the back end took.
  double slice() {
    std::chrono::nanoseconds spent{};
    for (unsigned left = options_.packets; left > 0; left -= options_.burst) {
      for (std::uint32_t i = 0; i < options_.burst; ++i)
        front_.put(netif::TxRequest{data_, 0, 0, static_cast<std::uint16_t>(i), options_.bytes});
      (void)front_.publish();
      const auto begin = Clock::now();
      const bool moved = tx_.run(tell_) == dom0::Pass::moved;
      spent += Clock::now() - begin;
      must(moved && front_.pending() == options_.burst, "a burst was not answered at once");
      for (std::uint32_t i = 0; i < options_.burst; ++i)
        must(front_.take().status == netif::status::kOkay, "a packet was refused");
      (void)front_.final_check();
    }
    return static_cast<double>(spent.count()) / options_.packets;
  }

 private:
  const Options& options_;
  std::uint32_t data_;
  netif::TxSring& page_;
  netif::TxFront front_;
  dom0::QueueCounters counters_;
  dom0::MulticastFilter multicast_;
  dom0::GuestTx tx_;
  const dom0::Tell tell_ = [](bool) {};
};

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

nlohmann::json measure(const char* row, int out, const std::string& file, const Options& options) {
  test::FakeXen::get().reset();
  auto grants = xen::GrantTable::open();
  must(grants.has_value(), "no grants");
  auto pages = xen::CopyPages::create(dom0::BatchMemory::kPages, DomId{0});
  must(pages.has_value(), "no pages");
  dom0::BatchMemory memory(*grants, std::move(*pages));
  Path without(memory, out, "", options), with(memory, out, file, options);
  std::vector<double> a, b, ratios;
  (void)without.slice(), (void)with.slice();
  for (unsigned i = 0; i < options.slices; ++i) {
    a.push_back(without.slice());
    b.push_back(with.slice());
    ratios.push_back(b.back() / a.back());
  }
  return {{"row", row},
          {"bytes", options.bytes},
          {"burst", options.burst},
          {"slices", options.slices},
          {"without_ns", median(a)},
          {"with_ns", median(b)},
          {"cost_ns", median(b) - median(a)},
          {"cost_percent", (median(ratios) - 1) * 100}};
}

void run(const Options& options) {
  must(unshare(CLONE_NEWNET) == 0, "needs a network namespace of its own: run it as root");
  auto tap = net::Tap::create("bench0");
  must(tap.has_value(), "no TAP");
  must(net::change_link(tap->index(), {.up = true}).has_value(), "the TAP does not come up");
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::string folder = "/dev/shm/hush-inflight-cost-XXXXXX";  // as /run is: memory
  must(null >= 0 && mkdtemp(folder.data()) != nullptr, "no folder in /dev/shm");
  for (const auto& [row, out] : {std::pair{"tap", tap->fd()}, {"null", null}})
    std::printf("%s\n", measure(row, out, folder + "/file", options).dump().c_str());
  std::filesystem::remove_all(folder);
  close(null);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"What in-flight arrays cost a packet of guest_tx: a line of JSON a row."};
  app.add_option("--bytes", options.bytes, "of a frame")->check(CLI::Range(60, 4096))->capture_default_str();
  app.add_option("--burst", options.burst, "requests that are there at once")
      ->check(CLI::Range(1U, netif::kSlots))
      ->capture_default_str();
  app.add_option("--slices", options.slices, "of each kind")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.packets -= options.packets % options.burst;
  try {
    run(options);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "hush-inflight-cost: %s\n", failed.what());
    return 1;
  }
  return 0;
}
