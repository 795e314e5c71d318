// Properties of network interfaces, over libnl-route (rtnetlink). Control path only.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "common/result.hpp"

namespace hush::net {

struct LinkChange {                      // what is not set stays
  std::optional<std::string> name = {};  // of an interface that is down
  std::optional<bool> up = {};
  std::optional<std::uint32_t> mtu = {};
  std::optional<std::string> mac = {};     // "00:16:3e:00:00:01"
  std::optional<std::string> master = {};  // name of a bridge
  std::optional<std::string> alias = {};   // a note for people and programs: ip link show
  bool operator==(const LinkChange&) const = default;
};

// index: of the interface; survives a rename. 0 (what if_nametoindex() has for a name that went) is an error.
Result<void> change_link(unsigned index, const LinkChange& change);

// No error where it is gone already.
Result<void> remove_link(unsigned index);

// The name of the interface that has this alias; empty: none has.
Result<std::string> interface_of_alias(const std::string& alias);

Result<std::uint32_t> mtu_of(const std::string& interface);

}  // namespace hush::net
