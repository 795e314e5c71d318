#include "common/net/interface_state.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/net/link.hpp"
#include "common/net/netlink.hpp"

namespace hush::net {
namespace {

std::string text_of(nl_addr* address) {
  std::array<char, 128> text{};
  if (address == nullptr || nl_addr_get_len(address) == 0) return "default";
  return nl_addr2str(address, text.data(), text.size());
}

std::string name_of(int index) {
  std::array<char, IF_NAMESIZE> name{};
  return index > 0 && if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr ? name.data() : "";
}

bool is_link_local(rtnl_route* route) {
  nl_addr* to = rtnl_route_get_dst(route);
  if (rtnl_route_get_family(route) != AF_INET6 || to == nullptr || nl_addr_get_len(to) == 0) return false;
  const auto* bytes = static_cast<const unsigned char*>(nl_addr_get_binary_addr(to));
  return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80);
}

bool is_made_by_others(rtnl_route* route) {
  if (rtnl_route_get_table(route) == RT_TABLE_LOCAL || is_link_local(route)) return true;
  if ((rtnl_route_get_flags(route) & RTM_F_CLONED) != 0) return true;
  const int by = rtnl_route_get_protocol(route);
  return by == RTPROT_RA || by == RTPROT_REDIRECT;
}

bool goes_through(rtnl_route* route, int index) {
  return rtnl_route_get_nnexthops(route) == 1 &&
         rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0)) == index;
}

bool has_gateway(const std::shared_ptr<rtnl_route>& route) {
  rtnl_nexthop* hop = rtnl_route_nexthop_n(route.get(), 0);
  return rtnl_route_nh_get_gateway(hop) != nullptr || rtnl_route_nh_get_via(hop) != nullptr;
}

template <class Object, class Visit>
void for_each(const Cache& cache, Visit visit) {
  for (nl_object* object = nl_cache_get_first(cache.get()); object != nullptr;
       object = nl_cache_get_next(object))
    visit(reinterpret_cast<Object*>(object));
}

Result<void> read_addresses(nl_sock* socket, int index, InterfaceState& into) {
  nl_cache* all = nullptr;
  if (const int rc = rtnl_addr_alloc_cache(socket, &all); rc < 0)
    return nl_error("read the addresses of " + into.name, rc);
  for_each<rtnl_addr>(Cache{all}, [&](rtnl_addr* address) {
    if (rtnl_addr_get_ifindex(address) != index) return;
    nl_object_get(reinterpret_cast<nl_object*>(address));
    into.addresses.emplace_back(address, rtnl_addr_put);
  });
  // The kernel tells of its IPv6 addresses the newest first, and prefers those.
  const auto ipv6 = std::stable_partition(
      into.addresses.begin(), into.addresses.end(),
      [](const auto& address) { return rtnl_addr_get_family(address.get()) != AF_INET6; });
  std::reverse(ipv6, into.addresses.end());
  return {};
}

Result<void> read_routes(nl_sock* socket, int index, InterfaceState& into) {
  nl_cache* all = nullptr;
  if (const int rc = rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, &all); rc < 0)
    return nl_error("read the routes of " + into.name, rc);
  for_each<rtnl_route>(Cache{all}, [&](rtnl_route* route) {
    if (!goes_through(route, index) || is_made_by_others(route)) return;
    nl_object_get(reinterpret_cast<nl_object*>(route));
    into.routes.emplace_back(route, rtnl_route_put);
  });
  // A gateway can be named only where a route to it is there.
  std::stable_partition(into.routes.begin(), into.routes.end(),
                        [](const auto& route) { return !has_gateway(route); });
  return {};
}

int give(nl_sock* socket, int index, const std::string& name, const std::string& old_name,
         rtnl_addr* address) {
  rtnl_addr_set_ifindex(address, index);
  // "eth0:1" is of eth0, and stays so under another name.
  const char* label = rtnl_addr_get_label(address);
  if (label != nullptr && std::string(label).starts_with(old_name))
    rtnl_addr_set_label(address, (name + std::string(label).substr(old_name.size())).c_str());
  // The others say what the kernel has found out. No detection of duplicates: this very guest had it a moment
  // ago.
  constexpr unsigned kOfAdmins = IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR;
  rtnl_addr_unset_flags(address, ~kOfAdmins);
  if (rtnl_addr_get_family(address) == AF_INET6) rtnl_addr_set_flags(address, IFA_F_NODAD);
  return rtnl_addr_add(socket, address, NLM_F_EXCL);
}

int give(nl_sock* socket, int index, rtnl_route* route) {
  rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
  rtnl_route_nh_set_ifindex(hop, index);
  // What the kernel has found out, of a link that is down and the like: it takes no route that says so.
  constexpr unsigned kOfAdmins = RTNH_F_ONLINK;
  rtnl_route_nh_unset_flags(hop, ~kOfAdmins);
  rtnl_route_unset_flags(route, ~kOfAdmins);
  return rtnl_route_add(socket, route, NLM_F_EXCL);
}

}  // namespace

Result<InterfaceState> read_interface(const std::string& name) {
  const auto socket = open_netlink();
  if (!socket) return socket.error();
  const auto link = find_link(socket->get(), name);
  if (!link) return link.error();
  InterfaceState state{.name = name,
                       .mac = text_of(rtnl_link_get_addr(link->get())),
                       .mtu = rtnl_link_get_mtu(link->get()),
                       .up = (rtnl_link_get_flags(link->get()) & IFF_UP) != 0,
                       .master = name_of(rtnl_link_get_master(link->get())),
                       .addresses = {},
                       .routes = {}};
  const int index = rtnl_link_get_ifindex(link->get());
  if (auto done = read_addresses(socket->get(), index, state); !done) return done.error();
  if (auto done = read_routes(socket->get(), index, state); !done) return done.error();
  return state;
}

std::vector<std::string> furnish(unsigned index, const InterfaceState& state) {
  std::vector<std::string> failed;
  const std::string name = name_of(static_cast<int>(index));
  LinkChange change{.up = {}, .mtu = {}, .mac = {}, .master = {}};
  if (state.up) change.up = true;
  if (!state.master.empty()) change.master = state.master;
  if (auto done = change_link(index, change); !done) failed.push_back(done.error().text);
  const auto socket = open_netlink();
  if (!socket) {
    failed.push_back(socket.error().text);
    return failed;
  }
  const auto note = [&](int rc, const std::string& what) {
    if (rc < 0 && rc != -NLE_EXIST) failed.push_back(nl_error(what + " cannot be given to " + name, rc).text);
  };
  for (const auto& address : state.addresses)
    note(give(socket->get(), static_cast<int>(index), name, state.name, address.get()),
         "address " + text_of(rtnl_addr_get_local(address.get())));
  for (const auto& route : state.routes)
    note(give(socket->get(), static_cast<int>(index), route.get()),
         "route " + text_of(rtnl_route_get_dst(route.get())));
  return failed;
}

}  // namespace hush::net
