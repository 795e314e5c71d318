// Private pages that grant copies go to and come from: page-aligned, contiguous, for one thread.
//
// They are granted to the own domain where gntalloc allows it, and a copy then names them by gref. gntdev
// would otherwise pin and unpin the page of each segment, and the hypervisor look it up anew: measured on
// Xen 4.17 (instructions a segment, batches of 256), 64 bytes 3096 -> 1077 with neighbours in one page, 4096
// bytes 3617 -> 2288. No other domain can use the grants.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "common/xen/grant_share.hpp"

namespace hush::xen {

class CopyPages {
 public:
  // pages: at least 1. self: the own domain. Without gntalloc, or with its limit reached, ordinary memory
  // takes the place: slower, and why_not_granted() says why. Fails only where there is no memory.
  static Result<CopyPages> create(std::size_t pages, DomId self);
  CopyPages(CopyPages&& other) noexcept;
  CopyPages& operator=(CopyPages&&) = delete;
  ~CopyPages();

  [[nodiscard]] std::size_t pages() const { return pages_; }
  // From an offset in bytes to the end.
  [[nodiscard]] std::span<std::byte> from(std::size_t offset) const {
    return {base_ + offset, pages_ * kPageSize - offset};
  }
  [[nodiscard]] const std::string& why_not_granted() const { return why_not_; }  // empty: they are

  // How a grant copy names a byte of these pages: by address, or by a gref and the offset in its page.
  struct Place {
    Gref gref;
    std::uint16_t offset;
  };
  // nullopt: not granted.
  [[nodiscard]] std::optional<Place> place(const std::byte* byte) const {
    if (grefs_.empty()) return std::nullopt;
    const auto at = static_cast<std::size_t>(byte - base_);
    return Place{Gref{grefs_[at / kPageSize]}, static_cast<std::uint16_t>(at % kPageSize)};
  }
  [[nodiscard]] DomId self() const { return self_; }

 private:
  CopyPages() = default;

  std::optional<GrantShare> table_;
  SharedPages shared_;  // after its table
  std::span<const std::uint32_t> grefs_;
  std::byte* base_ = nullptr;
  std::size_t pages_ = 0;
  DomId self_{};
  std::string why_not_;
};

}  // namespace hush::xen
