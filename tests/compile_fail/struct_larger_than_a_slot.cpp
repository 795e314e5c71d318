// expect: (constraint.* not satisfied|evaluated to false|no matching (member )?function)
#include "common/netif/wire.hpp"

struct Message {
#ifdef ALLOWED
  std::uint32_t words[2];
#else
  std::uint32_t words[3];
#endif
};
Message f(hush::netif::RxSring& ring) {
  return ring.slot[0].take<Message>();
}
