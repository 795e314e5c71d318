// The only code that touches memory which a peer can write while we look at it.
//
// Rule 1: a field is a cell (SharedWord, SharedSlot); a plain read of one does not compile.
// Rule 2: every access is an atomic load or store, so the compiler can neither fetch twice nor tear it.
// Rule 3: a slot is read once, with take(), into a private copy; check the copy, use the copy.
// XSA-155 is what happens without these rules.
#pragma once
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "common/types.hpp"

namespace hush::shm {

// A wire struct: no padding (padding would leak our stack to the peer), and any bit pattern is a value.
template <class T>
concept WirePod = std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T> &&
                      alignof(T) <= 4 &&
                  sizeof(T) % 4 == 0;

// One 32-bit index or flag inside a shared page.
class SharedWord {
 public:
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;
  [[nodiscard]] std::uint32_t load(std::memory_order order) const noexcept {
    return std::atomic_ref{raw_}.load(order);
  }
  void store(std::uint32_t value, std::memory_order order) noexcept {
    std::atomic_ref{raw_}.store(value, order);
  }

 private:
  mutable std::uint32_t raw_;
};
static_assert(sizeof(SharedWord) == 4 && std::atomic_ref<std::uint32_t>::is_always_lock_free);

// One byte inside a shared page that a kernel clears when a mapping or a share of the page ends.
class SharedByte {
 public:
  SharedByte(const SharedByte&) = delete;
  SharedByte& operator=(const SharedByte&) = delete;
  [[nodiscard]] std::uint8_t load() const noexcept {
    return std::atomic_ref{raw_}.load(std::memory_order_acquire);
  }
  void store(std::uint8_t value) noexcept { std::atomic_ref{raw_}.store(value, std::memory_order_release); }

 private:
  mutable std::uint8_t raw_;
};
static_assert(sizeof(SharedByte) == 1);

// One ring entry: the union of a request and a response. Bytes is a multiple of 4.
template <std::size_t Bytes>
class SharedSlot {
  static_assert(Bytes % 4 == 0);

 public:
  SharedSlot(const SharedSlot&) = delete;
  SharedSlot& operator=(const SharedSlot&) = delete;

  template <WirePod T>
  requires(sizeof(T) <= Bytes) [[nodiscard]] T take() const noexcept {
    std::array<std::uint32_t, sizeof(T) / 4> words;
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] = std::atomic_ref{raw_[i]}.load(std::memory_order_relaxed);
    return std::bit_cast<T>(words);
  }
  template <WirePod T>
  requires(sizeof(T) <= Bytes) void put(const T& value) noexcept {
    const auto words = std::bit_cast<std::array<std::uint32_t, sizeof(T) / 4>>(value);
    for (std::size_t i = 0; i < words.size(); ++i)
      std::atomic_ref{raw_[i]}.store(words[i], std::memory_order_relaxed);
  }

 private:
  mutable std::uint32_t raw_[Bytes / 4];
};

// The layout at the start of a shared page. Owns nothing: the mapping must outlive the reference.
template <class Layout>
[[nodiscard]] Layout& layout_at(void* page) noexcept {
  static_assert(sizeof(Layout) <= kPageSize);
  return *static_cast<Layout*>(page);
}

// A run of pages shared with a peer, as bytes. Owns nothing. Bytes in it are never looked at in place:
// the kernel reads or writes them (iovec), or they are copied out first.
class PageRun {
 public:
  PageRun() = default;
  PageRun(void* base, std::size_t pages) noexcept : base_(static_cast<std::byte*>(base)), pages_(pages) {}

  [[nodiscard]] std::size_t pages() const noexcept { return pages_; }

  // For readv and writev: the kernel's own copy is then the private one. offset + length <= kPageSize.
  [[nodiscard]] iovec kernel_view(std::size_t page, std::size_t offset, std::size_t length) const noexcept {
    return {base_ + page * kPageSize + offset, length};
  }
  // Private copy of what lies there now. offset + to.size() <= kPageSize.
  void copy_out(std::size_t page, std::size_t offset, std::span<std::byte> to) const noexcept {
    std::copy_n(base_ + page * kPageSize + offset, to.size(),
                to.data());  // none of none is allowed, unlike memcpy
    // Without this the compiler may read the page again instead of the copy.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  // The other way. offset + from.size() <= kPageSize.
  void copy_in(std::size_t page, std::size_t offset, std::span<const std::byte> from) const noexcept {
    std::copy_n(from.data(), from.size(), base_ + page * kPageSize + offset);
  }

 private:
  std::byte* base_ = nullptr;
  std::size_t pages_ = 0;
};

}  // namespace hush::shm
