// expect: (constraints not satisfied|constraint.* not satisfied|invalid reference to function 'create')
#include "common/netif/wire.hpp"

std::uint32_t f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  return hush::netif::TxFront::create(ring).room();
#else
  return hush::netif::TxBack::create(ring).room();
#endif
}
