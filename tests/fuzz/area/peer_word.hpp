// A word of an area whose other end is a liar: what it holds changes with each look, and each look is noted.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "common/area/packet_ring.hpp"
#include "tests/fuzz/input.hpp"

namespace hush::fuzz {

// Stands in for shm::SharedWord.
class PeerWord {
 public:
  std::uint32_t load(std::memory_order) const {
    require(looks_.size() < kMaxLooks);  // a call that looks for ever ends here
    looks_.push_back(now_);
    now_ = next_;
    return looks_.back();
  }
  void store(std::uint32_t value, std::memory_order) { now_ = next_ = value; }

  // The other end writes: first is what the next look finds, then what those after it find.
  void write(std::uint32_t first, std::uint32_t then) {
    now_ = first;
    next_ = then;
  }
  [[nodiscard]] std::uint32_t value() const { return now_; }

  // What the call before has found, in order: each is to be asked for, and none_left() to hold then.
  [[nodiscard]] std::uint32_t found() {
    require(!looks_.empty());
    const std::uint32_t first = looks_.front();
    looks_.erase(looks_.begin());
    return first;
  }
  [[nodiscard]] bool none_left() const { return looks_.empty(); }
  void forget() { looks_.clear(); }

 private:
  static constexpr std::size_t kMaxLooks = 4;  // no call needs as many

  mutable std::uint32_t now_ = 0;
  std::uint32_t next_ = 0;
  mutable std::vector<std::uint32_t> looks_;
};

using PeerWords = area::Words<PeerWord>;

// What section 6 says of the one that notifies: once a number, and never for 0.
class NotifiedFor {
 public:
  [[nodiscard]] bool is_due(std::uint32_t word) {
    if (word == 0 || word == last_) return false;
    last_ = word;
    return true;
  }

 private:
  std::uint32_t last_ = 0;
};

}  // namespace hush::fuzz
