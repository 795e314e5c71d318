// expect: (constraint|does not satisfy 'WirePod')
#include "common/ring/ring.hpp"

struct Padded {
  std::uint32_t gref;
  std::uint16_t size;
#ifdef ALLOWED
  std::uint16_t flags;
#endif
};
std::size_t f() {
  return sizeof(hush::ring::Sring<Padded, Padded>);
}
