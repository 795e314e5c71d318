// A ring of bytes in memory that a peer can write. Owns nothing: the mapping must outlive it.
#pragma once
#include "common/shm/shared_memory.hpp"

namespace hush::shm {

class ByteRing {
 public:
  ByteRing() = default;
  // size: a power of two, at least 16.
  ByteRing(void* base, std::uint32_t size) noexcept : base_(static_cast<std::byte*>(base)), size_(size) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  // Bytes from index `at` to the end of the memory.
  [[nodiscard]] std::uint32_t to_end(std::uint32_t at) const noexcept { return size_ - (at & (size_ - 1)); }

  // A private copy of a header of 16 bytes, and its place. at: any index, a multiple of 16. Two accesses of 8
  // bytes: the header is read or written once, whatever the compiler would like.
  template <WirePod T>
  [[nodiscard]] T take(std::uint32_t at) const noexcept {
    static_assert(sizeof(T) == 16);
    const Words words{std::atomic_ref{word(at)[0]}.load(std::memory_order_relaxed),
                      std::atomic_ref{word(at)[1]}.load(std::memory_order_relaxed)};
    return std::bit_cast<T>(words);
  }
  template <WirePod T>
  void put(std::uint32_t at, const T& value) noexcept {
    static_assert(sizeof(T) == 16);
    const auto words = std::bit_cast<Words>(value);
    std::atomic_ref{word(at)[0]}.store(words[0], std::memory_order_relaxed);
    std::atomic_ref{word(at)[1]}.store(words[1], std::memory_order_relaxed);
  }

  // `length` bytes from index `at` on, not across the end. What is read through it may change while it is
  // read: hand it to the kernel, or copy it before deciding anything by it.
  [[nodiscard]] std::span<std::byte> bytes(std::uint32_t at, std::uint32_t length) const noexcept {
    return {base_ + (at & (size_ - 1)), length};
  }

 private:
  using Words = std::array<std::uint64_t, 2>;
  [[nodiscard]] std::uint64_t* word(std::uint32_t at) const noexcept {
    return reinterpret_cast<std::uint64_t*>(base_ + (at & (size_ - 1)));
  }

  std::byte* base_ = nullptr;
  std::uint32_t size_ = 0;
};

}  // namespace hush::shm
