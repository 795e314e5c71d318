// Numbers from the command line.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>

#include "tools/simxen/cli/failure.hpp"

namespace hush::simxen {

inline uint32_t number(const std::string& text, const std::string& what, uint32_t least, uint32_t most) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    throw Failure(what + " '" + text + "' is not a number from " + std::to_string(least) + " to " +
                      std::to_string(most) + "; give one, as in 'simxen --help'",
                  kBadArguments);
  return value;
}

}  // namespace hush::simxen
