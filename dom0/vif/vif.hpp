// One virtual interface: follows the xenbus handshake, owns the TAP, and has the queue connected and
// disconnected on its data thread. Control thread only.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/net/tap.hpp"
#include "dom0/area/governor.hpp"
#include "dom0/port/wire.hpp"
#include "dom0/profile/first_size.hpp"
#include "dom0/profile/profile_store.hpp"
#include "dom0/profile/running_uses.hpp"
#include "dom0/settings.hpp"
#include "dom0/vif/area_queue.hpp"
#include "dom0/vif/backend_fsm.hpp"
#include "dom0/vif/ctrl_ring.hpp"
#include "dom0/vif/grant_budget.hpp"
#include "dom0/vif/inflight_folder.hpp"
#include "dom0/vif/kept_taps.hpp"
#include "dom0/vif/netif_queue.hpp"
#include "dom0/vif/queue_areas.hpp"
#include "xenstore/client.hpp"
#include "xenstore/snapshot.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

// What all vifs of a daemon share.
struct Host {
  boost::asio::io_context& loop;
  xenstore::Client& store;
  std::vector<Worker> workers;
  Settings& settings;
  poll::Time wake_cost;    // of a sleep and a wake-up on this machine
  xen::GrantTable grants;  // of the control thread: for areas
  QueueLedger ledger{};    // queues of all vifs
  Wires wires{};
  ProfileStore* profiles = nullptr;  // null: nothing is learned
  RunningUses running{};
  AreaGovernor governor{loop, settings};
  std::optional<InflightFolder> inflight{};  // none: no requests in progress are kept
  KeptTaps taps{};

  [[nodiscard]] Worker& least_loaded();
};

class Vif {
 public:
  // Takes up the vif where its nodes say it stands (connected: adopted in silence, the guest sees a pause).
  // on_change is called for each change of the front end's nodes, however many there are: it is to see to it
  // that update() is called, once for all of them.
  Vif(xenstore::VifId id, Host& host, std::function<void()> on_change);
  // Its guest stays connected and waits, its interface lies with host's other TAPs: forget() comes before
  // where the vif is gone.
  ~Vif();

  // Looks at the nodes and goes as far as the handshake goes now. Call when any of them may have changed.
  void update();
  // What an admin has set now. Call before update(), and again when any of it may have changed.
  void apply(xenstore::Resolved settings);
  // Takes back what was said of a fault, its interface, and what was kept for a daemon after this one. Call
  // when the backend directory is gone: nothing of this vif stays.
  void forget();
  // xenstore has lost all that it knew: what was there of this vif when it connected is written again.
  // Nothing where it was not connected.
  Result<void> write_again();
  // Has the profile of its workload learn what it uses now; nothing where it has no workload, or no areas.
  void record_use();

  Result<void> start_capture(const std::string& path);
  void stop_capture();

  [[nodiscard]] xenstore::VifId id() const { return id_; }
  [[nodiscard]] std::string name() const { return xenstore::vif_name(id_); }
  [[nodiscard]] XenbusState state() const { return state_; }
  [[nodiscard]] const std::string& fault() const { return fault_; }  // why it was cut off; empty: it was not
  [[nodiscard]] bool connected() const { return !queues_.empty(); }
  [[nodiscard]] const std::vector<xenstore::QueueAddress>& addresses() const { return addresses_; }
  // Of all queues that it ever had, since the vif was found: they go on over reconnects.
  [[nodiscard]] std::span<const QueueCounters> counters() const { return {counters_.data(), counters_used_}; }
  [[nodiscard]] const xenstore::Features& offered() const { return offered_; }
  [[nodiscard]] const xenstore::Features& frontend_features() const { return frontend_features_; }
  [[nodiscard]] const xenstore::Features& features_in_use() const { return features_in_use_; }
  // What was said to the areas that the front end offered, when it connected last.
  [[nodiscard]] const xenstore::AreaAnswer& area_answer() const { return area_answer_; }
  [[nodiscard]] bool on_area_path() const {
    return connected() && area_answer_.generation != 0 && area_answer_.refused.empty();
  }
  [[nodiscard]] const xenstore::Resolved& settings() const { return settings_; }
  // Of this connection: the setting workload as it was when the features were written; empty: none.
  [[nodiscard]] const std::string& workload() const { return workload_; }
  // What was advised and offered then.
  [[nodiscard]] const FirstSize& first_size() const { return first_size_; }
  [[nodiscard]] poll::Rules polling() const { return xenstore::polling(settings_.values, host_.wake_cost); }
  [[nodiscard]] std::string interface_name() const;  // now: a script may have renamed it
  [[nodiscard]] std::uint64_t connects() const { return connects_; }
  struct PlacedLook {
    std::string thread;  // the data thread's name
    QueueLook queue;
  };
  // Asks each queue on its data thread, and waits for the answers: at most a batch long.
  [[nodiscard]] std::vector<PlacedLook> look() const;

 private:
  struct Placed {
    Worker* worker;
    std::unique_ptr<Queue> queue;       // made and destroyed on the worker's thread
    std::unique_ptr<QueueAreas> areas;  // of an AreaQueue
    bool stalled = false;
    std::optional<AreaFile> file{};  // of the daemon before, until its queue has it
  };
  Result<void> begin(const xenstore::BackendSettings& settings);
  void ask_to_reconnect(const std::string& why);
  Result<void> watch_front_end(const xenstore::BackendSettings& settings);
  void unwatch();
  Result<void> advertise(const xenstore::BackendSettings& settings);
  void choose_first_size();
  // nullopt: it has no areas.
  [[nodiscard]] std::optional<RingUse> used() const;
  Result<void> make_tap(const xenstore::BackendSettings& settings, bool carrier);
  void plug(const xenstore::BackendSettings& settings);
  Result<void> set_tap_queues(std::size_t count);
  Result<void> connect(const xenstore::BackendSettings& settings);
  [[nodiscard]] xenstore::AreaAnswer add_areas(const xenstore::FrontendOffer& frontend);
  Result<void> add_area(const xenstore::FrontendOffer& frontend, std::size_t number, std::uint64_t session);
  Result<void> begin_area(std::size_t queue, std::uint64_t session);
  void start_area(std::size_t queue);
  [[nodiscard]] PairRules area_rules(std::size_t queue) const;
  [[nodiscard]] std::uint32_t max_area_pages() const;
  Result<std::unique_ptr<relay::Port>> make_port(std::size_t number, std::size_t queues);
  Result<void> add_queues(const xenstore::FrontendOffer& frontend);
  Result<void> add_queue(const xenstore::FrontendOffer& frontend, std::size_t number, Worker& worker);
  Result<void> add_control(const xenstore::FrontendOffer& frontend);
  // act runs on the control thread, if this still is there by then. On any thread.
  [[nodiscard]] std::function<void(std::function<void()> act)> on_control();
  [[nodiscard]] std::function<void(std::string reason)> on_fault();
  [[nodiscard]] Queue::Reports reports_of(std::size_t queue);
  void begin_limit();
  void set_limits(Placed& placed);
  void place(Worker& worker, std::unique_ptr<Queue> queue);
  [[nodiscard]] QueueTimeouts timeouts() const;
  void on_stall(std::size_t queue, std::optional<Stall> stall);
  [[nodiscard]] TxFile inflight_file(std::size_t queue) const;
  void say_how_resumed(std::size_t queue, const TxResumed& resumed);
  void forget_inflight();
  void forget_fault();
  void remember_nodes();
  void disconnect();
  void drop_queues();
  Result<void> set_carrier(bool up);
  void sample_multicast(const std::string& frontend);
  void enter(XenbusState next);
  void fail(const std::string& reason);
  [[nodiscard]] std::string error_node() const;
  void capture_to(std::shared_ptr<net::Capture> capture);

  xenstore::VifId id_;
  Host& host_;
  std::function<void()> on_change_;
  std::vector<std::string> watched_;  // nodes of the front end
  XenbusState state_ = XenbusState::unknown;
  std::string fault_;
  bool offer_failed_ = false;
  bool taken_over_ = false;  // from an earlier daemon, by the connection that is there
  net::Tap tap_;
  std::array<QueueCounters, xenstore::kMaxQueues> counters_;
  std::size_t counters_used_ = 0;
  std::vector<Placed> queues_;
  xenstore::AreaAnswer area_answer_;
  std::shared_ptr<net::Capture> capture_;  // over connections, until it is stopped
  MulticastFilter multicast_;
  // Of a front end with a control ring. All its queues are on this worker, for the sake of steering_.
  Worker* control_worker_ = nullptr;
  std::unique_ptr<Steering> steering_;
  std::unique_ptr<CtrlRing> ctrl_ring_;
  std::vector<xenstore::QueueAddress> addresses_;
  std::string frontend_;  // path of its directory, while connected
  xenstore::Resolved settings_ = xenstore::resolve({});
  xenstore::Features offered_;            // to the front end; of a vif that was taken over, what would be
  xenstore::Features frontend_features_;  // as the front end says
  xenstore::Features features_in_use_;    // towards it
  // A vif that was taken over may have been offered more than it would be today.
  std::uint32_t offered_queues_ = xenstore::kMaxQueues;
  std::string workload_;
  FirstSize first_size_;
  std::shared_ptr<RateLimiter> limiter_;  // of all queues; null: no limit
  std::uint64_t connects_ = 0;
  std::vector<xenstore::Snapshot> nodes_;  // of both its directories, when it connected
  // Of the areas that a daemon before this one left, while they are taken over; 0: it left no number.
  std::optional<std::uint64_t> session_before_;
  // A daemon before this one wrote a state of this device: that was after its interface was made.
  bool has_begun_ = false;
  // An earlier daemon served this very connection, or may have begun to, and its files are believed.
  bool served_before_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for faults reported from a data thread
};

// What this back end offers to every front end.
[[nodiscard]] xenstore::Features offered_features();
// What the kernel may leave undone in frames for such a front end; the rest the kernel does before we read
// them.
[[nodiscard]] net::Offloads tap_offloads(const xenstore::Features& frontend);

}  // namespace hush::dom0
