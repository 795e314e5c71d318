// expect: (constraints not satisfied|constraint.* not satisfied|does not satisfy 'WirePod')
#include "common/netif/wire.hpp"

struct Padded {
  std::uint32_t id;
  std::uint16_t status;
#ifdef ALLOWED
  std::uint16_t reserved;
#endif
};
void f(hush::netif::TxBack& ring) {
  ring.put(Padded{});
}
