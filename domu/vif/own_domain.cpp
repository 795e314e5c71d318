#include "domu/vif/own_domain.hpp"

#include <utility>

namespace hush::domu {

Result<OwnDomain> OwnDomain::read(const xenstore::View& view) {
  const auto number = xenstore::read_own_domain(view);
  if (!number) return number.error();
  return OwnDomain(*number);
}

std::string OwnDomain::restored(const xenstore::View& view) {
  const auto now = xenstore::read_own_domain(view);
  if (!now || *now == number_) return {};
  const DomId before = std::exchange(number_, *now);
  return "this guest was restored: domain " + std::to_string(before.value) + " is domain " +
         std::to_string(now->value) + " now";
}

std::string OwnDomain::not_kept(const Error& why) {
  return "the event channels of before stay with this process: " + why.text;
}

}  // namespace hush::domu
