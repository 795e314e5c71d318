// expect: (no match for .*operator==|invalid operands to binary expression)
#include "common/types.hpp"

bool f(hush::Gref a, hush::EvtchnPort b) {
#ifdef ALLOWED
  return a.value == b.value;
#else
  return a == b;
#endif
}
