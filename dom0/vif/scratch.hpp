// Private pages that grant copies go to and come from: one set a data thread, used within one batch.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <span>

#include "common/types.hpp"

namespace hush::dom0 {

class Scratch {
 public:
  explicit Scratch(std::size_t pages) : pages_(pages) {
    // Page-aligned, so that a copy of up to a page never crosses one of ours: a crossing doubles its cost.
    void* memory =
        mmap(nullptr, pages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(memory);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { munmap(base_, pages_ * kPageSize); }

  [[nodiscard]] std::size_t pages() const { return pages_; }
  // From the start of a page to the end of the scratch.
  [[nodiscard]] std::span<std::byte> from(std::size_t page) const {
    return {base_ + page * kPageSize, (pages_ - page) * kPageSize};
  }

 private:
  std::byte* base_;
  std::size_t pages_;
};

}  // namespace hush::dom0
