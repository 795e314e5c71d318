// expect: (use of deleted function|call to deleted constructor)
#include "common/netif/wire.hpp"

std::uint32_t f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  const auto& word = ring.req_prod;
#else
  const auto word = ring.req_prod;
#endif
  return word.load(std::memory_order_acquire);
}
