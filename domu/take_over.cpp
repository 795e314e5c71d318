#include "domu/take_over.hpp"

#include <net/if.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>
#include <utility>

#include "common/net/link.hpp"
#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::domu {
namespace {

using namespace std::chrono_literals;
using xenstore::XenbusState;
using Clock = std::chrono::steady_clock;

// The two state nodes of a device.
class Nodes {
 public:
  static Result<std::unique_ptr<Nodes>> open(std::uint32_t device) {
    std::unique_ptr<Nodes> nodes{new Nodes(xenstore::frontend_path(device))};
    auto store = xenstore::Client::open(nodes->loop_);
    if (!store) return store.error();
    nodes->store_ = std::move(*store);
    auto settings = xenstore::read_frontend_settings(nodes->store_->view(), nodes->directory_);
    if (!settings) return settings.error();
    nodes->backend_ = settings->backend;
    // Whatever they say: only to be woken.
    nodes->watches_ = std::make_unique<xenstore::Watches>(*nodes->store_);
    if (auto done = nodes->watches_->add(nodes->backend_ + "/state", [] {}); !done) return done.error();
    return nodes;
  }

  [[nodiscard]] XenbusState own() const { return state_of(directory_); }
  [[nodiscard]] XenbusState backend() const { return state_of(backend_); }
  Result<void> write(XenbusState state) { return xenstore::switch_state(*store_, directory_, state); }

  // Until the back end is in a state that will do; false: kBackendBound was too short for that.
  template <class Test>
  bool wait(Test will_do) {
    const auto end = Clock::now() + kBackendBound;
    while (!will_do(backend())) {
      loop_.restart();
      if (loop_.run_one_until(end) == 0) return will_do(backend());
    }
    return true;
  }

 private:
  explicit Nodes(std::string directory) : directory_(std::move(directory)) {}
  [[nodiscard]] XenbusState state_of(const std::string& directory) const {
    const auto state = xenstore::read_state(store_->view(), directory);
    return state ? *state : XenbusState::unknown;
  }

  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_;
  std::string directory_, backend_;
  std::unique_ptr<xenstore::Watches> watches_;
};

bool is_closed(XenbusState backend) {
  return backend == XenbusState::closed || backend == XenbusState::unknown;
}
bool awaits_a_front_end(XenbusState backend) {
  return backend == XenbusState::init_wait;
}

std::string waited_for(const Nodes& nodes, const std::string& what) {
  return "the back end does not " + what + " within " + std::to_string(kBackendBound.count()) +
         " s, it is in state " + std::string(xenstore::name(nodes.backend()));
}

struct Interface {
  std::string name;
  unsigned index;
};

// sysfs shows one before it can be found by its name (register_netdevice() in net/core/dev.c), and udev may
// give it another one meanwhile.
Result<Interface> wait_for_interface(const KernelNetfront& kernel) {
  for (const auto end = Clock::now() + kBackendBound; Clock::now() < end;) {
    std::string name = kernel.interface();
    const unsigned index = name.empty() ? 0 : if_nametoindex(name.c_str());
    if (index != 0) return Interface{std::move(name), index};
    std::this_thread::sleep_for(10ms);  // sysfs tells nobody
  }
  return error("the kernel's driver has no interface for it yet, since the back end does not answer it");
}

// The kernel drives the vif again: its interface as it was.
Result<void> furnish_kernels(const KernelNetfront& kernel, const net::InterfaceState& was,
                             const std::string& name) {
  if (was.name.empty()) return {};
  const auto made = wait_for_interface(kernel);
  if (!made) return error(made.error().text + "; it will come up without the addresses of before");
  net::LinkChange change{.up = {}, .mtu = was.mtu, .mac = {}, .master = {}};
  if (made->name != name) change.name = name;
  if (auto done = net::change_link(made->index, change); !done)
    spdlog::warn("{}: {}", name, done.error().text);
  for (const auto& line : net::furnish(made->index, was)) spdlog::warn("{}: {}", name, line);
  return {};
}

// The failure is what is told in the end; the kernel goes on, or as soon as the back end lets it.
Error undo(const KernelNetfront& kernel, const net::InterfaceState& was, const std::string& failure) {
  auto done = kernel.begin_anew(kBackendBound);
  if (done) done = furnish_kernels(kernel, was, was.name);
  return error(failure + "; " +
               (done ? "the kernel's driver has it again"
                     : "the kernel's driver was given it again: " + done.error().text));
}

}  // namespace

Result<std::optional<net::InterfaceState>> take_over(const KernelNetfront& kernel) {
  if (!kernel.drives()) return std::optional<net::InterfaceState>();
  if (auto can = kernel.can_let_go(); !can) return can.error();
  const auto nodes = Nodes::open(kernel.device());
  if (!nodes) return nodes.error();
  net::InterfaceState had;
  if (const std::string name = kernel.interface(); !name.empty()) {
    auto read = net::read_interface(name);
    if (!read) return read.error();
    had = std::move(*read);
    // Nothing is on its way when the rings go: a driver that has frames out may wait for them.
    net::LinkChange down{.up = false, .mtu = {}, .mac = {}, .master = {}};
    if (auto done = net::change_link(if_nametoindex(name.c_str()), down); !done) return done.error();
  }
  const XenbusState own = (*nodes)->own(), backend = (*nodes)->backend();
  if (!is_closed(backend)) {
    if (auto closing = (*nodes)->write(XenbusState::closing); !closing) return closing.error();
    if (!(*nodes)->wait(is_closed)) {
      const std::string failure = waited_for(**nodes, "close");
      // It has not moved at all, so the driver has not either.
      if ((*nodes)->backend() == backend && (*nodes)->own() == XenbusState::closing && (*nodes)->write(own)) {
        const auto restored = furnish_kernels(kernel, had, had.name);
        return error(
            failure + "; the kernel's driver keeps the vif" + (restored ? "" : ": " + restored.error().text),
            ETIMEDOUT);
      }
      return undo(kernel, had, failure);
    }
  }
  if (auto gone = kernel.let_go(kBackendBound); !gone) return gone.error();
  auto anew = (*nodes)->write(XenbusState::initialising);
  if (!anew) return undo(kernel, had, anew.error().text);
  if (!(*nodes)->wait(awaits_a_front_end)) return undo(kernel, had, waited_for(**nodes, "come back"));
  return std::optional(std::move(had));
}

Result<void> give_back(const KernelNetfront& kernel, const net::InterfaceState& ours,
                       const std::string& name) {
  if (kernel.drives() || !kernel.has_device()) return {};
  const auto nodes = Nodes::open(kernel.device());
  if (!nodes) return nodes.error();
  // The driver looks every five seconds while it begins: the back end is to be ready before.
  if (auto anew = (*nodes)->write(XenbusState::initialising); !anew) return anew;
  if (!(*nodes)->wait(awaits_a_front_end)) spdlog::warn("{}", waited_for(**nodes, "come back"));
  if (auto taken = kernel.take(kBackendBound); !taken) return taken;
  return furnish_kernels(kernel, ours, name);
}

}  // namespace hush::domu
