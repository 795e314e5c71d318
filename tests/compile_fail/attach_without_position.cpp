// expect: (no matching function for call|too few arguments)
#include "common/netif/wire.hpp"

std::uint32_t f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  return hush::netif::TxBack::attach(ring, {}).room();
#else
  return hush::netif::TxBack::attach(ring).room();
#endif
}
