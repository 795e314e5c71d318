// An actor's answer, taken apart.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

namespace hush::contract {

struct Answer {
  std::string text;

  bool ok() const { return text.compare(0, 2, "ok") == 0; }
  // The errno of an answer that is not ok, 0 otherwise.
  int error() const { return text.compare(0, 6, "error ") == 0 ? std::stoi(text.substr(6)) : 0; }
  std::string words() const { return text.size() > 3 ? text.substr(3) : ""; }
  std::vector<uint32_t> numbers() const {
    std::vector<uint32_t> out;
    std::istringstream words_in(words());
    for (uint32_t number = 0; words_in >> number;) out.push_back(number);
    return out;
  }
  uint32_t number(size_t index = 0) const {
    const auto all = numbers();
    return index < all.size() ? all[index] : ~0U;
  }
};

// Whoever does what it is told: a process here, or the peer in its domain.
class Party {
 public:
  virtual ~Party() = default;
  virtual Answer tell(const std::string& line) = 0;
  // SIGKILL, and a new process in its place.
  virtual void kill() = 0;
};

}  // namespace hush::contract
