// One virtual interface: follows the xenbus handshake, owns the TAP, and has the queue connected and
// disconnected on its data thread. Control thread only.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/net/tap.hpp"
#include "dom0/vif/backend_fsm.hpp"
#include "dom0/vif/queue.hpp"
#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

// What all vifs of a daemon share.
struct Host {
  boost::asio::io_context& loop;
  xenstore::Client& store;
  std::vector<Worker> workers;
  std::string domain_path;  // /local/domain/<own>

  [[nodiscard]] Worker& least_loaded();
};

class Vif {
 public:
  // Takes up the vif where its nodes say it stands (connected: adopted in silence, the guest sees a pause).
  Vif(xenstore::VifId id, Host& host);
  ~Vif();

  // Looks at the nodes and goes as far as the handshake goes now. Call when any of them may have changed.
  void update();
  // The backend directory is gone: leaves nothing of this vif in the store.
  void forget();

  Result<void> start_capture(const std::string& path);
  void stop_capture();

  [[nodiscard]] xenstore::VifId id() const { return id_; }
  [[nodiscard]] std::string name() const { return xenstore::vif_name(id_); }
  [[nodiscard]] XenbusState state() const { return state_; }
  [[nodiscard]] const std::string& fault() const { return fault_; }  // why it was cut off; empty: it was not
  [[nodiscard]] const Queue* queue() const { return queue_.get(); }
  // Since the vif was found: they go on over reconnects.
  [[nodiscard]] const QueueCounters& counters() const { return counters_; }
  [[nodiscard]] const xenstore::Features& frontend_features() const { return frontend_features_; }
  [[nodiscard]] std::string interface_name() const;  // now: a script may have renamed it
  [[nodiscard]] std::uint64_t connects() const { return connects_; }

 private:
  void begin(const xenstore::BackendSettings& settings);
  Result<void> advertise(const xenstore::BackendSettings& settings);
  Result<void> make_tap(const xenstore::BackendSettings& settings);
  Result<void> connect(const xenstore::BackendSettings& settings);
  void disconnect();
  void enter(XenbusState next);
  void fail(const std::string& reason);

  xenstore::VifId id_;
  Host& host_;
  std::string watched_;  // the front end's state node
  XenbusState state_ = XenbusState::unknown;
  std::string fault_;
  net::Tap tap_;
  Worker* worker_ = nullptr;
  QueueCounters counters_;
  std::unique_ptr<Queue> queue_;
  xenstore::Features frontend_features_;
  std::uint64_t connects_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for faults reported from a data thread
};

// What this back end offers to every front end.
[[nodiscard]] xenstore::Features offered_features();

}  // namespace hush::dom0
