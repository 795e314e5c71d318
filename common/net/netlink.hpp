// What the users of libnl-route share: objects that are let go, errors that say why.
#pragma once
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <memory>
#include <string>

#include "common/result.hpp"

namespace hush::net {

struct FreeSocket {
  void operator()(nl_sock* s) const { nl_socket_free(s); }
};
struct PutLink {
  void operator()(rtnl_link* l) const { rtnl_link_put(l); }
};
struct PutAddress {
  void operator()(nl_addr* a) const { nl_addr_put(a); }
};
struct FreeCache {
  void operator()(nl_cache* c) const { nl_cache_free(c); }
};
using NetlinkSocket = std::unique_ptr<nl_sock, FreeSocket>;
using Link = std::unique_ptr<rtnl_link, PutLink>;
using Address = std::unique_ptr<nl_addr, PutAddress>;
using Cache = std::unique_ptr<nl_cache, FreeCache>;

inline Error nl_error(const std::string& what, int code) {
  return error(what + ": " + nl_geterror(code));
}

inline Result<NetlinkSocket> open_netlink() {
  NetlinkSocket socket{nl_socket_alloc()};
  if (!socket) return error("netlink: out of memory", ENOMEM);
  if (const int rc = nl_connect(socket.get(), NETLINK_ROUTE); rc < 0) return nl_error("netlink", rc);
  return socket;
}

inline Result<Link> find_link(nl_sock* socket, const std::string& name) {
  rtnl_link* found = nullptr;
  if (const int rc = rtnl_link_get_kernel(socket, 0, name.c_str(), &found); rc < 0)
    return nl_error("look up interface " + name, rc);
  return Link{found};
}

}  // namespace hush::net
