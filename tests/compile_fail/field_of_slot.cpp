// expect: (has no member named .gref|no member named 'gref')
#include "common/netif/wire.hpp"

std::uint32_t f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  return ring.slot[0].take<hush::netif::TxRequest>().gref;
#else
  return ring.slot[0].gref;
#endif
}
