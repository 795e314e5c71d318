// Outcome of a call on the control path: a value, or an error that can be shown to an admin as it is.
// The packet path uses enums of its own (no string is built for a packet).
#pragma once
#include <boost/system/result.hpp>
#include <cerrno>
#include <string>
#include <system_error>

namespace hush {

struct Error {
  Error() = default;
  Error(int code_value, std::string what) : code(code_value), text(std::move(what)) {}
  int code = 0;      // an errno value; 0 where none applies
  std::string text;  // what was tried, on what, and why it failed: one line
};

template <class T>
using Result = boost::system::result<T, Error>;

// Error from errno, read at once: "WHAT: No such file or directory".
inline Error errno_error(std::string what) {
  const int code = errno;
  return {code, std::move(what) + ": " + std::generic_category().message(code)};
}

inline Error error(std::string text, int code = 0) {
  return {code, std::move(text)};
}

}  // namespace hush
