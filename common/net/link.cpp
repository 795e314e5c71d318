#include "common/net/link.hpp"

#include <net/if.h>

#include "common/net/netlink.hpp"

namespace hush::net {
namespace {

Result<void> apply(nl_sock* socket, unsigned index, rtnl_link* change, const std::string& what) {
  if (index == 0) return error("no such interface to change", ENODEV);  // libnl-route would abort
  rtnl_link* found = nullptr;
  if (const int rc = rtnl_link_get_kernel(socket, static_cast<int>(index), nullptr, &found); rc < 0)
    return nl_error("look up interface " + std::to_string(index), rc);
  const Link now{found};
  if (const int rc = rtnl_link_change(socket, now.get(), change, 0); rc < 0)
    return nl_error(what + " of interface " + rtnl_link_get_name(now.get()), rc);
  return {};
}

}  // namespace

Result<void> change_link(unsigned index, const LinkChange& wanted) {
  const auto socket = open_netlink();
  if (!socket) return socket.error();
  const Link change{rtnl_link_alloc()};
  if (wanted.name) rtnl_link_set_name(change.get(), wanted.name->c_str());
  if (wanted.mtu) rtnl_link_set_mtu(change.get(), *wanted.mtu);
  if (wanted.up && *wanted.up) rtnl_link_set_flags(change.get(), IFF_UP);
  if (wanted.up && !*wanted.up) rtnl_link_unset_flags(change.get(), IFF_UP);
  if (wanted.mac) {
    nl_addr* parsed = nullptr;
    if (const int rc = nl_addr_parse(wanted.mac->c_str(), AF_LLC, &parsed); rc < 0)
      return nl_error("MAC address '" + *wanted.mac + "'", rc);
    const Address address{parsed};
    rtnl_link_set_addr(change.get(), address.get());
  }
  if (wanted.master) {
    const unsigned master = if_nametoindex(wanted.master->c_str());
    if (master == 0) return errno_error("bridge " + *wanted.master);
    rtnl_link_set_master(change.get(), static_cast<int>(master));
  }
  if (wanted.alias) rtnl_link_set_ifalias(change.get(), wanted.alias->c_str());
  return apply(socket->get(), index, change.get(), "change");
}

Result<void> remove_link(unsigned index) {
  if (index == 0) return {};
  const auto socket = open_netlink();
  if (!socket) return socket.error();
  const Link link{rtnl_link_alloc()};
  rtnl_link_set_ifindex(link.get(), static_cast<int>(index));
  if (const int rc = rtnl_link_delete(socket->get(), link.get()); rc < 0 && rc != -NLE_NODEV)
    return nl_error("remove interface " + std::to_string(index), rc);
  return {};
}

Result<std::string> interface_of_alias(const std::string& alias) {
  const auto socket = open_netlink();
  if (!socket) return socket.error();
  nl_cache* all = nullptr;
  if (const int rc = rtnl_link_alloc_cache(socket->get(), AF_UNSPEC, &all); rc < 0)
    return nl_error("look at the interfaces", rc);
  const Cache links{all};
  for (nl_object* object = nl_cache_get_first(links.get()); object != nullptr;
       object = nl_cache_get_next(object)) {
    auto* const link = reinterpret_cast<rtnl_link*>(object);
    const char* const its = rtnl_link_get_ifalias(link);
    if (its != nullptr && alias == its) return std::string(rtnl_link_get_name(link));
  }
  return std::string();
}

Result<std::uint32_t> mtu_of(const std::string& interface) {
  const auto socket = open_netlink();
  if (!socket) return socket.error();
  const auto link = find_link(socket->get(), interface);
  if (!link) return link.error();
  return rtnl_link_get_mtu(link->get());
}

}  // namespace hush::net
