// The fastest wake-ups that two domains can have: an event channel on which both sleep, and nothing else.
// What round trips on a real Xen are compared with.
//   hush-bell ping --path PATH --serve DOMAIN ...   in a guest: tells the port in xenstore, for DOMAIN
//   hush-bell pong --port PORT --join DOMAIN ...    in Dom0: answers until SIGTERM
#include <iostream>
#include <memory>

extern "C" {
#include <xenevtchn.h>
#include <xenstore.h>
}

#include "tools/bench/area_programs/ping_pong.hpp"

namespace {

using namespace hush::bench;

struct Options {
  Plan plan;
  std::string path;
  unsigned serve = 0, join = 0, port = 0;
};

struct CloseEvents {
  void operator()(xenevtchn_handle* handle) const { xenevtchn_close(handle); }
};
struct CloseStore {
  void operator()(xs_handle* handle) const { xs_close(handle); }
};

class Bell {
 public:
  explicit Bell(const Options& options) : events_(xenevtchn_open(nullptr, 0)) {
    if (!events_) give_up("xenevtchn_open");
    const auto bound = options.path.empty()
                           ? xenevtchn_bind_interdomain(events_.get(), options.join, options.port)
                           : xenevtchn_bind_unbound_port(events_.get(), options.serve);
    if (bound < 0) give_up("an event channel");
    port_ = static_cast<evtchn_port_t>(bound);
    if (!options.path.empty()) tell(options.path);
  }

  void ring() {
    if (xenevtchn_notify(events_.get(), port_) != 0) give_up("xenevtchn_notify");
  }
  // Asleep until it rings; false where stopped() ended it.
  bool hear() {
    while (!stopped()) {
      const auto came = xenevtchn_pending(events_.get());
      if (came < 0 && errno != EINTR) give_up("xenevtchn_pending");
      if (came >= 0) return xenevtchn_unmask(events_.get(), static_cast<evtchn_port_t>(came)) == 0;
    }
    return false;
  }

 private:
  void tell(const std::string& path) const {
    const std::unique_ptr<xs_handle, CloseStore> store(xs_open(0));
    const std::string number = std::to_string(port_);
    if (!store ||
        !xs_write(store.get(), XBT_NULL, path.c_str(), number.c_str(), static_cast<unsigned>(number.size())))
      give_up(path);
  }
  std::unique_ptr<xenevtchn_handle, CloseEvents> events_;
  evtchn_port_t port_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Round trips of an event channel", "hush-bell");
  app.fallthrough();  // an option may stand on either side of the command
  const auto* pings = app.add_subcommand("ping", "measures");
  app.add_subcommand("pong", "answers until SIGTERM");
  app.require_subcommand(1);
  app.add_option("--path", options.path, "in xenstore, where the port is told");
  app.add_option("--serve", options.serve, "the domain that may bind it");
  app.add_option("--join", options.join, "the domain that offers it");
  app.add_option("--port", options.port, "that was told");
  add_options(app, options.plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(options.plan.cpu, "hush-bell", [&] {
    Bell bell(options);
    // Xen lets a port ring once for who binds it: the end in Dom0 so begins by answering.
    if (*pings) {
      bell.hear();
      ping(options.plan, [&](std::uint64_t) {
        bell.ring();
        return bell.hear();
      });
    } else {
      pong([&] {
        if (!bell.hear()) return false;
        bell.ring();
        return true;
      });
    }
  });
}
