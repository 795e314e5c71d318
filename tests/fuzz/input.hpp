// A fuzzer's input as moves to make, and what to do when an invariant does not hold.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace hush::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

// What is left of the input; zeros behind its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint16_t word() {
    const std::uint8_t low = byte();
    return static_cast<std::uint16_t>(low | byte() << 8);
  }
  std::uint32_t number() {
    const std::uint32_t low = word();
    return low | std::uint32_t{word()} << 16;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace hush::fuzz
