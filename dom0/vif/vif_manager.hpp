// Keeps one Vif for each backend directory under backend/vif of the own domain. Control thread only.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "dom0/vif/vif.hpp"

namespace hush::dom0 {

class VifManager {
 public:
  // How often all is looked at again, at most.
  static constexpr std::chrono::milliseconds kLookAgainEvery{100};
  // How often what the vifs use is learned, and written.
  static constexpr std::chrono::minutes kLearnEvery{1};

  explicit VifManager(Host& host) : host_(host), learn_timer_(host.loop), again_timer_(host.loop) {}

  // Watches backend/vif and the settings, and takes up what is there.
  Result<void> start();

  // Another daemon is to serve them: guests stay connected and wait, interfaces lie with the host's TAPs.
  // Nothing is looked at before take_up().
  void let_go();
  // Takes up what is there, after let_go().
  void take_up();
  // xenstored died, and another one is there. Its watches fire as new ones do. Where it knows nothing of this
  // daemon it began empty: no vif is taken for removed because of that, and what belongs to those that are
  // connected is written again.
  void store_is_back();
  // All that was there when start() or take_up() was called has been taken up.
  [[nodiscard]] bool taken_up() const { return taken_up_; }

  [[nodiscard]] const std::map<xenstore::VifId, std::unique_ptr<Vif>>& vifs() const { return vifs_; }
  // Looks at the whole store as if all of it had changed: vifs, front ends, settings. Soon, where that was
  // done a moment ago.
  void look_again();
  // By "vif3.0"; null where there is none.
  [[nodiscard]] Vif* find(const std::string& name) const;
  // Has a vif take what an admin has set now.
  void apply_settings(Vif& vif);
  // New vifs of this name are captured to the file from their connection on.
  void capture_when_connected(const std::string& name, const std::string& path) { captures_[name] = path; }

 private:
  void on_change(const std::string& path);
  void look_at(xenstore::VifId id);
  void settle();
  void rescan();
  void refresh(xenstore::VifId id);
  void mark_store();
  Vif& make(xenstore::VifId id);
  void remove(xenstore::VifId id);
  void erase(std::map<xenstore::VifId, std::unique_ptr<Vif>>::iterator vif);
  void changed_all();
  void settle_later();
  void learn_later();
  void tidy();

  Host& host_;
  boost::asio::steady_timer learn_timer_;
  boost::asio::steady_timer again_timer_;  // runs after a look
  bool again_timer_runs_ = false;
  bool again_ = false;  // asked for while it ran
  std::map<xenstore::VifId, std::unique_ptr<Vif>> vifs_;
  std::map<std::string, std::string> captures_;  // by vif name, until it is connected
  // A toolstack writes a vif's nodes one event each, a guest its state as often as it likes (XSA-349): the
  // nodes are looked at once for all events that are in.
  std::set<xenstore::VifId> changed_;
  bool rescan_ = false;
  bool posted_ = false;
  std::string sentinel_;                     // of this daemon's life with this store
  std::set<xenstore::VifId> lost_by_store_;  // their directories went with an earlier store
  bool let_go_ = false;
  bool taken_up_ = false;
  bool tidied_ = false;
};

}  // namespace hush::dom0
