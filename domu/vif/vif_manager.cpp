#include "domu/vif/vif_manager.hpp"

#include <net/if.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/ipc/name_lock.hpp"
#include "common/net/link.hpp"
#include "domu/preflight.hpp"
#include "domu/report.hpp"
#include "domu/take_over.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"

namespace hush::domu {
namespace {

// The kernel looks at a new device within milliseconds.
constexpr std::chrono::milliseconds kLookAgain{100};
const std::string kUsualTap = "eth%d";

std::string interface_name(const std::string& wanted, std::uint32_t device) {
  constexpr std::string_view kNumber = "%d";
  const auto at = wanted.find(kNumber);
  return at == std::string::npos ? wanted
                                 : std::string(wanted).replace(at, kNumber.size(), std::to_string(device));
}

// Nothing there: a guest without a vif.
std::vector<std::uint32_t> devices_of(const xenstore::View& view) {
  std::vector<std::uint32_t> devices;
  const auto names = view.list(xenstore::key::kDeviceVif);
  if (!names) return devices;
  for (const auto& name : *names)
    if (const auto number = xenstore::parse_number<std::uint32_t>(name, 0, xenstore::kMaxHandle))
      devices.push_back(*number);
  return devices;
}

Result<UniqueFd> lock_device(std::uint32_t device) {
  auto lock = ipc::take_name("hush-frontd/vif-" + std::to_string(device));
  if (!lock && lock.error().code == EADDRINUSE)
    return error(
        "another hush-frontd drives vif-" + std::to_string(device) + ": pgrep -a hush-frontd shows it",
        EADDRINUSE);
  return lock;
}

}  // namespace

VifManager::VifManager(Options options, Guest& guest)
    : options_(std::move(options)), guest_(guest), watches_(guest.store), again_(guest.loop) {}

Result<void> VifManager::begin() {
  if (options_.devices.empty()) {
    auto watched = watches_.add(xenstore::key::kDeviceVif, [this] { look(); });
    if (watched) look();
    return watched;
  }
  for (const std::uint32_t device : options_.devices) {
    if (knows(device)) continue;
    auto added = add(device);
    if (added) continue;
    // None has met its back end: that takes a turn of the loop.
    for (Driven& one : driven_) {
      one.vif.reset();
      if (!one.had.name.empty()) (void)give(one.device, one.had, one.had.name);
    }
    driven_.clear();
    return added;
  }
  return {};
}

bool VifManager::knows(std::uint32_t device) const {
  return std::ranges::any_of(driven_, [device](const Driven& one) { return one.device == device; });
}

// New devices. What is below one changes often, and costs one call here.
void VifManager::look() {
  if (leaving_) return;
  const auto devices = devices_of(guest_.store.view());
  std::erase_if(refused_, [&](std::uint32_t device) { return std::ranges::count(devices, device) == 0; });
  for (const std::uint32_t device : devices) {
    if (knows(device) || refused_.contains(device)) continue;
    // A new device is the kernel's to look at first: what it takes can be taken from it.
    const KernelNetfront kernel(device, options_.each.sysfs);
    if (kernel.loaded() && !kernel.has_device()) {
      look_again();
      continue;
    }
    if (auto added = add(device); !added) {
      spdlog::error("vif-{} is left alone until it is attached anew: {}", device, added.error().text);
      refused_.insert(device);
    }
  }
}

void VifManager::look_again() {
  again_.expires_after(kLookAgain);
  again_.async_wait([this](const boost::system::error_code& failed) {
    if (!failed) look();
  });
}

Result<void> VifManager::add(std::uint32_t device) {
  auto lock = lock_device(device);
  if (!lock) return lock.error();
  allow_grants();
  auto had = take(device);
  if (!had) return had.error();
  Vif::Options options = options_.each;
  options.device = device;
  const std::string& found = had->name.empty() ? kUsualTap : had->name;
  options.tap = interface_name(options_.tap.empty() ? found : options_.tap, device);
  options.had = *had;
  auto kept = net::interface_of_alias(Vif::alias_of(device));
  if (!kept) return kept.error();
  // Who has given the vif to the kernel by hand meanwhile does not want that one.
  if (!kept->empty() && !had->name.empty()) {
    spdlog::info("vif-{}: interface {} of a hush-frontd before goes", device, *kept);
    if (auto done = net::remove_link(if_nametoindex(kept->c_str())); !done)
      spdlog::warn("{}", done.error().text);
  } else if (!kept->empty()) {
    options.tap = options.kept = *kept;
  }
  auto vif = Vif::create(options, guest_);
  if (!vif) {
    if (!had->name.empty()) (void)give(device, *had, had->name);
    return vif.error();
  }
  driven_.push_back({device, std::move(*lock), std::move(*had), options.tap, std::move(*vif)});
  return {};
}

Result<net::InterfaceState> VifManager::take(std::uint32_t device) const {
  if (!options_.each.take_over) return net::InterfaceState();
  auto taken = take_over(KernelNetfront(device, options_.each.sysfs));
  if (!taken) return taken.error();
  if (!*taken) return net::InterfaceState();
  spdlog::info("vif-{} taken over from the kernel's xen-netfront{}{}", device,
               (*taken)->name.empty() ? "" : ", with what its interface had: ", (*taken)->name);
  return **taken;
}

// name: of the interface that the kernel makes; ours may have another one.
Result<void> VifManager::give(std::uint32_t device, const net::InterfaceState& ours,
                              const std::string& name) const {
  auto given = give_back(KernelNetfront(device, options_.each.sysfs), ours, name);
  if (!given) {
    Error failure =
        error("cannot give vif-" + std::to_string(device) + " back to the kernel: " + given.error().text,
              given.error().code);
    spdlog::error("{}", failure.text);
    return failure;
  }
  spdlog::info("the kernel has vif-{} ({}) again", device, name);
  return {};
}

// For the queues of all vifs of this guest, which other processes may drive.
void VifManager::allow_grants() {
  const std::size_t count = std::max<std::size_t>(1, devices_of(guest_.store.view()).size());
  const auto limit = raise_grant_limit(count * options_.each.queues * pages_of_queue(options_.each.area),
                                       options_.each.sysfs);
  if (!limit) {
    if (std::exchange(said_of_grants_, limit.error().text) != limit.error().text)
      spdlog::warn("{}", limit.error().text);
  } else if (limit->before != limit->now) {
    spdlog::info("this guest may grant {} pages instead of {} (gntalloc)", limit->now, limit->before);
  }
}

void VifManager::leave(std::function<void()> on_gone) {
  leaving_ = true;
  if (driven_.empty()) return on_gone();
  auto left = std::make_shared<std::size_t>(driven_.size());
  for (const Driven& one : driven_)
    one.vif->leave([left, on_gone] {
      if (--*left == 0) on_gone();
    });
}

Result<void> VifManager::end() {
  leaving_ = true;
  Result<void> result;
  for (Driven& one : driven_) {
    const auto has = one.vif->interface();
    one.vif.reset();  // and with it the interface and its name
    if (!has) {
      spdlog::error("{}", has.error().text);
      if (result) result = has.error();
    }
    const net::InterfaceState& ours = has ? *has : one.had;
    if (!options_.give_back && (has || ours.name.empty())) continue;
    auto given = give(one.device, ours, one.had.name.empty() ? ours.name : one.had.name);
    if (!given && result) result = given;
  }
  driven_.clear();
  return result;
}

std::string VifManager::summary() const {
  std::string all;
  for (const Driven& one : driven_)
    all += (all.empty() ? "interface " : ", ") + one.tap + " for vif-" + std::to_string(one.device);
  return all;
}

nlohmann::json VifManager::describe() const {
  auto all = nlohmann::json::array();
  for (const Driven& one : driven_) all.push_back(domu::describe(*one.vif));
  return all;
}

}  // namespace hush::domu
