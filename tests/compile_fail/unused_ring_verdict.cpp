// expect: (nodiscard|ignoring return value)
#include "common/netif/wire.hpp"

// To forget whether the peer is to be notified is to lose a wake-up.
void f(hush::netif::TxBack& ring, bool& notify) {
#ifdef ALLOWED
  notify = ring.publish();
#else
  ring.publish();
  notify = false;
#endif
}
