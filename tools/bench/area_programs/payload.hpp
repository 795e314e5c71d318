// What frames carry in the bench, and the proof that it was carried: every 8 bytes of frame number n are n,
// and what is left at the end is n's lowest bytes. The sender writes every byte, the receiver reads every
// byte; without that, who only passes pointers or descriptors looks up to 3.6 times faster than it is. The
// same code for every contender, so that they differ in the transport alone.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hush::bench {

constexpr std::size_t kWord = sizeof(std::uint64_t);

// `bytes` is a whole frame, or a piece of one that begins at a multiple of 8.
inline void write_payload(std::span<std::byte> bytes, std::uint64_t number) {
  const std::size_t words = bytes.size() / kWord;
  for (std::size_t i = 0; i < words; ++i) std::memcpy(bytes.data() + i * kWord, &number, kWord);
  if (const std::size_t rest = bytes.size() % kWord; rest != 0)
    std::memcpy(bytes.data() + words * kWord, &number, rest);
}

// The sum of the words and of what is left.
inline std::uint64_t sum_of(std::span<const std::byte> bytes) {
  const std::size_t words = bytes.size() / kWord;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i * kWord, kWord);
    sum += word;
  }
  std::uint64_t last = 0;
  if (const std::size_t rest = bytes.size() % kWord; rest != 0)
    std::memcpy(&last, bytes.data() + words * kWord, rest);
  return sum + last;
}

// What sum_of() is for frame number `number`, whole.
inline std::uint64_t sum_of_number(std::uint64_t number, std::size_t size) {
  const std::size_t rest = size % kWord;
  return number * (size / kWord) + (rest == 0 ? 0 : number & ((std::uint64_t{1} << rest * 8) - 1));
}

// The receiver's: counts the frames that are not what frame number 0, 1, 2... must be. One that is lost or
// comes late makes itself and those after it wrong.
class PayloadCheck {
 public:
  explicit PayloadCheck(std::size_t size) : size_(size) {}

  void frame(std::span<const std::byte> bytes) {
    piece(bytes);
    end();
  }
  // A frame in pieces; each begins at a multiple of 8.
  void piece(std::span<const std::byte> bytes) {
    sum_ += sum_of(bytes);
    seen_ += bytes.size();
  }
  void end() {
    wrong_ += sum_ != sum_of_number(frames_++, size_) || seen_ != size_;
    sum_ = seen_ = 0;
  }

  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  [[nodiscard]] std::uint64_t wrong() const { return wrong_; }

 private:
  std::size_t size_;
  std::uint64_t sum_ = 0, seen_ = 0;
  std::uint64_t frames_ = 0, wrong_ = 0;
};

}  // namespace hush::bench
