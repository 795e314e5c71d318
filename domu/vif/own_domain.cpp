#include "domu/vif/own_domain.hpp"

#include <random>
#include <utility>

#include "xenstore/keys.hpp"

namespace hush::domu {
namespace {

std::string new_life() {
  std::random_device random;
  return std::to_string(random() | std::uint64_t{random()} << 32);
}

// The word of this life, written where there is none. Two programs may look at once: in one transaction.
std::string life_of(xenstore::Client& store) {
  std::string life;
  const auto done = store.transact([&life](xenstore::View& view) -> Result<void> {
    auto found = view.read(xenstore::key::kLife);
    if (!found) return found.error();
    const bool missing = !*found || (*found)->empty();
    life = missing ? new_life() : std::move(**found);
    return missing ? view.write(xenstore::key::kLife, life) : Result<void>();
  });
  return done ? life : std::string();
}

}  // namespace

Result<OwnDomain> OwnDomain::read(xenstore::Client& store) {
  const auto number = xenstore::read_own_domain(store.view());
  if (!number) return number.error();
  return OwnDomain(*number, life_of(store));
}

std::string OwnDomain::restored(xenstore::Client& store) {
  const auto now = xenstore::read_own_domain(store.view());
  if (!now) return {};
  std::string life = life_of(store);
  const bool another = !life.empty() && !life_.empty() && life != life_;
  if (!life.empty()) life_ = std::move(life);
  const DomId before = std::exchange(number_, *now);
  if (*now != before)
    return "this guest was restored: domain " + std::to_string(before.value) + " is domain " +
           std::to_string(now->value) + " now";
  if (another)
    return "this guest was restored, with its number " + std::to_string(now->value) +
           ", or its xenstore began empty";
  return {};
}

std::string OwnDomain::not_kept(const Error& why) {
  return "the event channels of before stay with this process: " + why.text;
}

}  // namespace hush::domu
