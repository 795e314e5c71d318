// expect: (could not convert|no viable conversion|no matching|conversion from|cannot convert)
#include "common/result.hpp"

// A number is a value of Result<int>, never an error of Result<std::string>.
hush::Result<std::string> f() {
#ifdef ALLOWED
  return hush::error("no such vif", 2);
#else
  return 2;
#endif
}
