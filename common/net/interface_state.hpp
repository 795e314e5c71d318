// What a network interface was given by its admin, a DHCP client or a router: to be given to another one that
// takes its place. Over libnl-route (rtnetlink). Control path only.
//
// Addresses keep their lifetimes, labels and flags; routes their tables, metrics and sources. The kernel
// itself makes again, and so nobody moves: table "local", IPv6 routes of the link, and what routers announce.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"

struct rtnl_addr;
struct rtnl_route;

namespace hush::net {

struct InterfaceState {
  std::string name;
  std::string mac;
  std::uint32_t mtu = 0;
  bool up = false;
  std::string master;  // the bridge that it is a port of; empty: none
  std::vector<std::shared_ptr<rtnl_addr>> addresses;
  std::vector<std::shared_ptr<rtnl_route>> routes;  // through this interface alone
};

Result<InterfaceState> read_interface(const std::string& name);

// Gives the interface all of state but name, MAC and MTU (change_link() has those). What cannot be given is
// said in one line each, and the rest goes on. What it has already is no error.
std::vector<std::string> furnish(unsigned index, const InterfaceState& state);

}  // namespace hush::net
