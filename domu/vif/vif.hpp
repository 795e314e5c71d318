// One virtual interface of this guest: owns the TAP, and makes and ends the queue as the handshake goes.
// Control thread only.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/link.hpp"
#include "common/net/tap.hpp"
#include "domu/vif/handshake.hpp"
#include "domu/vif/queue.hpp"
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

class Vif final : private Handshake::Owner {
 public:
  struct Options {
    std::uint32_t device = 0;
    std::string tap;                       // name of the interface
    bool up = false;                       // set the interface up
    bool area = false;                     // offered where the back end takes one
    std::uint32_t area_ring = 0;           // bytes of each of its rings at first; 0: as the back end advises
    std::vector<xenstore::Said> settings;  // what holds where xenstore says nothing else
  };

  // Makes the TAP, without carrier, and begins to watch the device, which need not be there yet.
  static Result<std::unique_ptr<Vif>> create(const Options& options, Guest& guest);
  ~Vif();

  // Takes leave of the back end, as far as it answers; then gone() holds and on_gone is called. Nothing of
  // the vif is started over after this.
  void leave(std::function<void()> on_gone) { handshake_->leave(std::move(on_gone)); }
  [[nodiscard]] bool gone() const { return handshake_->gone(); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] XenbusState state() const { return handshake_->state(); }
  [[nodiscard]] bool serving() const { return handshake_->serving(); }
  [[nodiscard]] bool on_area_path() const { return serving() && on_area_; }
  [[nodiscard]] std::uint64_t connects() const { return connects_; }
  [[nodiscard]] Fault fault() const { return fault_; }  // why it was cut off; none: it was not
  [[nodiscard]] const VifCounters& counters() const { return counters_; }
  [[nodiscard]] const poll::Rules& polling() const { return polling_; }

 private:
  Vif(const Options& options, Guest& guest);
  void changed() override;
  Result<void> connect(const xenstore::FrontendSettings& settings) override;
  Result<void> serve(const xenstore::FrontendSettings& settings) override;
  void disconnect() override;
  void forgiven() override { fault_ = Fault::none; }
  void say(Handshake::Weight weight, const std::string& text) override;
  Result<void> make_tap();
  Result<void> shape_tap(const xenstore::FrontendSettings& settings, const xenstore::Features& backend,
                         net::Offloads offloads);
  [[nodiscard]] area::Sizes first_sizes(const std::string& backend) const;
  Result<void> start_area(const std::string& backend);
  [[nodiscard]] bool area_is_acknowledged(const std::string& backend);
  void on_stall(std::optional<relay::Standstill> standstill);
  void cut_off(Fault fault, const std::string& why);

  Options options_;
  Guest& guest_;
  std::string name_;  // for messages: "eth0 (device/vif/0)"
  net::Tap tap_;
  std::optional<net::LinkChange> shape_;  // what the toolstack's settings were last turned into
  VifCounters counters_;
  std::unique_ptr<Queue> queue_;
  poll::Rules polling_{};
  std::vector<std::string> complaints_;  // of bad settings, as they were said
  Fault fault_ = Fault::none;
  std::uint64_t connects_ = 0;
  bool on_area_ = false;                                        // while serving: the areas are in use
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for faults on their way
  std::unique_ptr<Handshake> handshake_;                        // last: it ends first
};

}  // namespace hush::domu
