// Frames through libxenvchan, Xen's own library for such things, on a real Xen: what the area path is
// compared with there. The guest serves (its memory is shared, as with an area), Dom0 is the client; either
// of them sends. Both ends block, the library's usual way. The same payload is written and read as everywhere
// in the bench; the library copies it in and out.
//   hush-vchan receive|send|ping|echo --path PATH --serve DOMAIN ...
//   hush-vchan receive|send|ping|echo --path PATH --join DOMAIN ...    PATH: in xenstore, who serves writes
//   it
#include <iostream>
#include <memory>
#include <vector>

extern "C" {
#include <libxenvchan.h>
}

#include "tools/bench/area_programs/one_way.hpp"
#include "tools/bench/area_programs/ping_pong.hpp"

namespace {

using namespace hush::bench;

struct Options {
  Plan plan;
  std::string path;
  int serve = -1, join = -1;  // the other domain
  std::size_t ring = 1024;    // KiB, of each direction
};

struct Close {
  void operator()(libxenvchan* vchan) const { libxenvchan_close(vchan); }
};

class Vchan {
 public:
  explicit Vchan(const Options& options)
      : vchan_(options.serve >= 0 ? libxenvchan_server_init(nullptr, options.serve, options.path.c_str(),
                                                            options.ring * 1024, options.ring * 1024)
                                  : libxenvchan_client_init(nullptr, options.join, options.path.c_str())),
        frame_(options.plan.size) {
    if (!vchan_) give_up("libxenvchan at " + options.path);
    vchan_->blocking = -1;  // a bit with a sign
  }

  // A whole frame, however long that takes; false where stopped() ended it.
  bool send(std::uint64_t number) {
    write_payload(frame_, number);
    return went(libxenvchan_send(vchan_.get(), frame_.data(), frame_.size()));
  }
  bool receive() { return went(libxenvchan_recv(vchan_.get(), frame_.data(), frame_.size())); }
  [[nodiscard]] std::span<const std::byte> frame() const { return frame_; }

 private:
  [[nodiscard]] bool went(int bytes) const {
    if (bytes == static_cast<int>(frame_.size())) return true;
    if (!stopped()) throw std::runtime_error("the other end is gone");
    return false;
  }
  std::unique_ptr<libxenvchan, Close> vchan_;
  std::vector<std::byte> frame_;
};

void receive(const Plan& plan, Vchan& vchan) {
  measure_receiver(plan, [&](PayloadCheck& check) -> std::uint64_t {
    if (!vchan.receive()) return 0;
    check.frame(vchan.frame());
    return 1;
  });
}

void send(Vchan& vchan) {
  send_until_stopped([&](std::uint64_t number) -> std::uint64_t { return vchan.send(number) ? 1 : 0; });
}

void ping_pong(const Plan& plan, Vchan& vchan) {
  ping(plan, [&](std::uint64_t number) {
    if (!vchan.send(number) || !vchan.receive()) return false;
    if (sum_of(vchan.frame()) != sum_of_number(number, plan.size))
      throw std::runtime_error("another frame came back");
    return true;
  });
}

void echo(Vchan& vchan) {
  pong([&, number = std::uint64_t{0}]() mutable { return vchan.receive() && vchan.send(++number); });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Frames through libxenvchan", "hush-vchan");
  app.fallthrough();  // an option may stand on either side of the command
  const auto* receives = app.add_subcommand("receive", "measures what comes");
  const auto* sends = app.add_subcommand("send", "sends until SIGTERM");
  const auto* pings = app.add_subcommand("ping", "measures round trips");
  app.add_subcommand("echo", "answers until SIGTERM");
  app.require_subcommand(1);
  app.add_option("--path", options.path, "in xenstore")->required();
  auto* serve = app.add_option("--serve", options.serve, "shares memory with this domain");
  app.add_option("--join", options.join, "uses what this domain shares")->excludes(serve);
  app.add_option("--ring", options.ring, "KiB of each direction")->check(CLI::Range(4, 1024));
  add_options(app, options.plan);
  CLI11_PARSE(app, argc, argv);
  return run_on(options.plan.cpu, "hush-vchan", [&] {
    Vchan vchan(options);
    if (*receives) {
      receive(options.plan, vchan);
    } else if (*sends) {
      send(vchan);
    } else if (*pings) {
      ping_pong(options.plan, vchan);
    } else {
      echo(vchan);
    }
  });
}
