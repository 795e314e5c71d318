// One virtual interface of this guest: owns the TAP, and makes and ends the queues as the handshake goes. All
// queues of a vif go by one path. Control thread only.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/net/interface_state.hpp"
#include "common/net/link.hpp"
#include "common/net/tap.hpp"
#include "domu/vif/agreement.hpp"
#include "domu/vif/handshake.hpp"
#include "domu/vif/own_domain.hpp"
#include "domu/vif/queue.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::domu {

// A data thread, and how many queues it has.
struct Worker {
  std::unique_ptr<event::DataThread> thread;
  std::size_t queues = 0;
};

// What all vifs of a daemon share.
struct Guest {
  boost::asio::io_context& loop;
  xenstore::Client& store;
  xen::GrantShare shares;
  std::vector<Worker> workers;  // at least one
  poll::Time wake_cost;         // of a sleep and a wake-up on this machine
  OwnDomain self;
  std::uint64_t restores = 0;  // of this guest, that were noticed

  [[nodiscard]] Worker& least_loaded();
  // Before event channels are unbound or made: those of a guest that was restored are dead, and are left to
  // themselves.
  void notice_restore();
};

class Vif final : private Handshake::Owner {
 public:
  struct Options {
    std::uint32_t device = 0;
    std::string tap;                       // name of the interface
    std::string kept = {};                 // of one that a hush-frontd before this one left: gone on with
    bool up = false;                       // set the interface up
    bool take_over = false;                // from the kernel's driver, also when the device comes anew
    net::InterfaceState had = {};          // what the kernel's interface had: for ours
    std::string sysfs = "/sys";            // where that is
    std::uint32_t queues = 1;              // that are wanted: 1 to xenstore::kMaxQueues
    bool area = false;                     // offered where the back end takes one
    std::uint32_t area_ring = 0;           // bytes of each of its rings at first; 0: as the back end advises
    std::vector<xenstore::Said> settings;  // what holds where xenstore says nothing else
  };

  // Of its interface, by which a later hush-frontd finds it: nobody takes leave for one that is killed, and
  // the interface stays with all that it was given, without carrier.
  [[nodiscard]] static std::string alias_of(std::uint32_t device);

  // Makes the TAP, without carrier, and begins to watch the device, which need not be there yet.
  static Result<std::unique_ptr<Vif>> create(const Options& options, Guest& guest);
  // The interface goes; one that was kept stays as it was found, where this vif did not get as far as to take
  // leave.
  ~Vif();

  // Takes leave of the back end, as far as it answers; then gone() holds and on_gone is called. Nothing of
  // the vif is started over after this.
  void leave(std::function<void()> on_gone);
  [[nodiscard]] bool gone() const { return handshake_->gone(); }

  // What its interface has now.
  [[nodiscard]] Result<net::InterfaceState> interface() const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] XenbusState state() const { return handshake_->state(); }
  [[nodiscard]] bool serving() const { return handshake_->serving(); }
  [[nodiscard]] bool on_area_path() const { return serving() && on_area_; }
  [[nodiscard]] std::uint64_t connects() const { return connects_; }
  [[nodiscard]] Fault fault() const { return fault_; }  // why it was cut off; none: it was not
  // Of all queues that it ever had, one at least: they go on over reconnects.
  [[nodiscard]] std::span<const QueueCounters> counters() const { return {counters_.data(), counters_used_}; }
  // The data threads of the queues that it has now, by queue.
  [[nodiscard]] std::vector<std::string> thread_names() const;
  [[nodiscard]] const poll::Rules& polling() const { return polling_; }

 private:
  Vif(const Options& options, Guest& guest);
  Result<void> keep_kernel_away() override;
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
  Result<void> make_queues(const Queue::Setup& setup, area::Sizes areas, QueueCount count);
  Result<void> make_queue(const Queue::Setup& setup);
  [[nodiscard]] bool share_areas(area::Sizes sizes, std::string& why_fewer);
  using Share = std::function<Result<void>(Queue&)>;
  [[nodiscard]] std::size_t share_each(const Share& share, std::string& why_not);
  void keep(std::size_t count);
  Result<void> start_areas(const std::string& backend);
  Result<void> start_area(std::size_t number, const std::string& backend);
  Result<void> start_netif();
  [[nodiscard]] bool areas_are_acknowledged(const std::string& backend);
  void on_stall(std::size_t queue, std::optional<relay::Standstill> standstill);
  void cut_off(std::size_t queue, Fault fault, const std::string& why);
  [[nodiscard]] std::string queue_name(std::size_t number) const;

  Options options_;
  Guest& guest_;
  std::string name_;  // for messages: "eth0 (device/vif/0)"
  net::Tap tap_;
  bool kept_ = false;  // another hush-frontd made it: it has its shape
  bool left_ = false;
  std::optional<net::LinkChange> shape_;  // what the toolstack's settings were last turned into
  std::array<QueueCounters, xenstore::kMaxQueues> counters_{};
  std::size_t counters_used_ = 1;
  struct Placed {
    Worker* worker;
    std::unique_ptr<Queue> queue;
  };
  std::vector<Placed> queues_;
  poll::Rules polling_{};
  std::vector<std::string> complaints_;  // of bad settings, as they were said
  Fault fault_ = Fault::none;
  std::uint64_t connects_ = 0;
  std::uint64_t restores_ = 0;                                  // of the guest, before it connected
  bool on_area_ = false;                                        // while serving: the areas are in use
  bool netif_next_ = false;                                     // the next connection offers no areas
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for faults on their way
  std::unique_ptr<Handshake> handshake_;                        // last: it ends first
};

}  // namespace hush::domu
