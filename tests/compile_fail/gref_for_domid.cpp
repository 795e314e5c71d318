// expect: (could not convert .*Gref|no viable conversion|no known conversion)
#include "common/types.hpp"

bool g(hush::DomId);
bool f(hush::Gref gref, hush::DomId domid) {
#ifdef ALLOWED
  return gref.value > 0 && g(domid);
#else
  return domid.value > 0 && g(gref);
#endif
}
