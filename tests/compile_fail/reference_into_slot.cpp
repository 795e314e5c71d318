// expect: (cannot bind non-const lvalue reference|cannot bind to a temporary)
#include "common/netif/wire.hpp"

std::uint32_t f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  hush::netif::TxRequest request = ring.slot[0].take<hush::netif::TxRequest>();
#else
  hush::netif::TxRequest& request = ring.slot[0].take<hush::netif::TxRequest>();
#endif
  return request.gref;
}
