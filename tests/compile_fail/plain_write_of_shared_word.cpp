// expect: (no match for .*operator=|no viable overloaded '=')
#include "common/netif/wire.hpp"

void f(hush::netif::TxSring& ring) {
#ifdef ALLOWED
  ring.req_prod.store(7, std::memory_order_release);
#else
  ring.req_prod = 7U;
#endif
}
