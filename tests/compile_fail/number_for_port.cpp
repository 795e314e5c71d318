// expect: (could not convert|no viable conversion|no known conversion|cannot convert)
#include "common/types.hpp"

bool g(hush::EvtchnPort);
bool f(std::uint32_t number) {
#ifdef ALLOWED
  return g(hush::EvtchnPort{number});
#else
  return g(number);
#endif
}
