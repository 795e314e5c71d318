// One virtual interface of this guest: follows the xenbus handshake, owns the TAP, and has the queue made and
// destroyed. Control thread only.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/link.hpp"
#include "common/net/tap.hpp"
#include "domu/vif/frontend_fsm.hpp"
#include "domu/vif/queue.hpp"
#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::domu {

// What all vifs of a daemon share.
struct Guest {
  boost::asio::io_context& loop;
  xenstore::Client& store;
  xen::GrantShare shares;
  std::unique_ptr<event::DataThread> thread;
  poll::Time wake_cost = poll::kUsualWakeCost;  // of a sleep and a wake-up on this machine
};

class Vif {
 public:
  struct Options {
    std::uint32_t device = 0;
    std::string tap;  // name of the interface
    bool up = false;  // set the interface up
    std::uint32_t area_ring =
        0;  // bytes of each ring of an area, offered where the back end takes one; 0: none
    std::vector<xenstore::Said> settings;  // what holds where xenstore says nothing else
  };

  // Makes the TAP, without carrier, and begins to watch the device, which need not be there yet.
  static Result<std::unique_ptr<Vif>> create(const Options& options, Guest& guest);
  ~Vif();

  // Takes leave of the back end, as far as it answers; then gone() holds and on_gone is called. Nothing of
  // the vif is started over after this.
  void leave(std::function<void()> on_gone);
  [[nodiscard]] bool gone() const { return leaving_ && !queue_; }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] XenbusState state() const { return sight_.node; }
  [[nodiscard]] bool serving() const { return serving_; }
  [[nodiscard]] bool on_area_path() const { return serving_ && on_area_; }
  [[nodiscard]] std::uint64_t connects() const { return connects_; }
  [[nodiscard]] Fault fault() const { return fault_; }  // why it was cut off; none: it was not
  [[nodiscard]] const VifCounters& counters() const { return counters_; }
  [[nodiscard]] const poll::Rules& polling() const { return polling_; }

 private:
  // What the nodes say now.
  struct Sight {
    XenbusState node = XenbusState::unknown;
    XenbusState peer = XenbusState::unknown;
    bool online = false;
    xenstore::FrontendSettings settings;
  };

  Vif(const Options& options, Guest& guest);
  void schedule();
  void update();
  Result<Sight> look();
  void apply_settings();
  void follow_backend(const std::string& path);
  bool perform(const Step& step);
  Result<void> connect();
  Result<void> make_tap();
  Result<void> shape_tap(const xenstore::Features& backend, net::Offloads offloads);
  void serve();
  [[nodiscard]] bool area_is_acknowledged();
  void on_stall(std::optional<relay::Standstill> standstill);
  void disconnect();
  bool write_state(XenbusState state);
  void cut_off(Fault fault, const std::string& why);
  void forgive();
  [[nodiscard]] std::string error_node() const;
  [[nodiscard]] bool may_start_over();
  void retry_later();
  void say_waiting(Self self);

  Options options_;
  Guest& guest_;
  std::string name_;       // for messages: "eth0 (device/vif/0)"
  std::string directory_;  // of the device, relative to the own domain
  net::Tap tap_;
  std::optional<net::LinkChange> shape_;  // what the toolstack's settings were last turned into
  VifCounters counters_;
  std::unique_ptr<Queue> queue_;
  Sight sight_;
  std::string watched_;  // the back end's state node
  poll::Rules polling_{};
  std::vector<std::string> complaints_;  // of bad settings, as they were said
  Fault fault_ = Fault::none;
  std::uint64_t connects_ = 0;
  bool serving_ = false;
  bool on_area_ = false;  // while serving_: the areas are in use
  bool barred_ = false;   // not to be started over while this device lasts
  bool leaving_ = false;
  bool scheduled_ = false;
  std::function<void()> on_gone_;
  std::string said_;  // the last message about waiting: said once

  // How long a start-over waits: a back end that closes at once must not keep both ends busy.
  boost::asio::steady_timer retry_;
  std::chrono::milliseconds delay_{0};
  bool delayed_ = false;    // the timer runs
  bool retry_due_ = false;  // it has just run out
  std::chrono::steady_clock::time_point served_since_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for faults and handlers on their way
};

}  // namespace hush::domu
