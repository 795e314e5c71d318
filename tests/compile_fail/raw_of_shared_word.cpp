// expect: (is private within this context|is a private member)
#include "common/netif/wire.hpp"

std::uint32_t f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  return ring.req_prod.load(std::memory_order_acquire);
#else
  return ring.req_prod.raw_;
#endif
}
