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

  // A private copy of a header, and its place: at is any index, a multiple of 16; T has at most 16 bytes.
  template <WirePod T>
  [[nodiscard]] T take(std::uint32_t at) const noexcept {
    static_assert(sizeof(T) <= 16);
    return slot(at).template take<T>();
  }
  template <WirePod T>
  void put(std::uint32_t at, const T& value) noexcept {
    static_assert(sizeof(T) <= 16);
    slot(at).put(value);
  }

  // `length` bytes from index `at` on, not across the end. What is read through it may change while it is
  // read: hand it to the kernel, or copy it before deciding anything by it.
  [[nodiscard]] std::span<std::byte> bytes(std::uint32_t at, std::uint32_t length) const noexcept {
    return {base_ + (at & (size_ - 1)), length};
  }

 private:
  [[nodiscard]] SharedSlot<16>& slot(std::uint32_t at) const noexcept {
    return *reinterpret_cast<SharedSlot<16>*>(base_ + (at & (size_ - 1)));
  }

  std::byte* base_ = nullptr;
  std::uint32_t size_ = 0;
};

}  // namespace hush::shm
