// The vifs that this program drives: each is taken from the kernel's driver where that has it, if so asked,
// and given back at the end. Control thread only; what waits for a back end there (domu/take_over.hpp) holds
// up no packet.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "domu/vif/vif.hpp"

namespace hush::domu {

class VifManager {
 public:
  struct Options {
    std::vector<std::uint32_t> devices;  // none: all that the guest has, and those that it is given later
    // Of the interface, "%d" in it is the device's number. Empty: the one of the kernel's interface that is
    // taken over, else "eth%d".
    std::string tap;
    bool give_back = false;  // at the end the kernel's driver gets each vif, whoever had it before
    Vif::Options each;       // device, tap and had are not read
  };

  VifManager(Options options, Guest& guest);

  // Fails where one of the devices that are named cannot be driven; then the kernel has again what it had. Of
  // all devices those that cannot are said and left alone until they are attached anew.
  Result<void> begin();
  // All vifs take leave of their back ends; on_gone is called once, when the last one has.
  void leave(std::function<void()> on_gone);
  // The interfaces go, and the kernel gets what it is to have, with what the interfaces had. The first
  // failure; each is logged.
  Result<void> end();

  // For an admin: "interface eth0 for vif-0, ..."; empty: there is none.
  [[nodiscard]] std::string summary() const;
  // A list with one entry a vif.
  [[nodiscard]] nlohmann::json describe() const;

 private:
  struct Driven {
    std::uint32_t device;
    UniqueFd lock;            // no other hush-frontd drives it
    net::InterfaceState had;  // what the kernel's interface had; without a name: there was none
    std::string tap;
    std::unique_ptr<Vif> vif;
  };
  [[nodiscard]] bool knows(std::uint32_t device) const;
  Result<void> add(std::uint32_t device);
  [[nodiscard]] Result<net::InterfaceState> take(std::uint32_t device) const;
  Result<void> give(std::uint32_t device, const net::InterfaceState& ours, const std::string& name) const;
  void allow_grants();
  void look();
  void look_again();

  Options options_;
  Guest& guest_;
  std::vector<Driven> driven_;
  std::set<std::uint32_t> refused_;  // devices that could not be driven
  std::string said_of_grants_;
  xenstore::Watches watches_;
  boost::asio::steady_timer again_;
  bool leaving_ = false;
};

}  // namespace hush::domu
