#include "common/xen/copy_pages.hpp"

#include <sys/mman.h>

#include <utility>

namespace hush::xen {

Result<CopyPages> CopyPages::create(std::size_t pages, DomId self) {
  CopyPages made;
  made.pages_ = pages;
  made.self_ = self;
  if (auto table = GrantShare::open(); !table) {
    made.why_not_ = table.error().text;
  } else if (auto shared = table->share(self, static_cast<std::uint32_t>(pages), true); !shared) {
    made.why_not_ = shared.error().text;
  } else {
    made.table_.emplace(std::move(*table));
    made.shared_ = std::move(*shared);
    made.grefs_ = made.shared_.grefs();
    made.base_ = static_cast<std::byte*>(made.shared_.base());
    return made;
  }
  void* memory = mmap(nullptr, pages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("memory for " + std::to_string(pages) + " pages");
  made.base_ = static_cast<std::byte*>(memory);
  return made;
}

CopyPages::CopyPages(CopyPages&& other) noexcept
    : table_(std::move(other.table_)),
      shared_(std::move(other.shared_)),
      grefs_(shared_.grefs()),
      base_(std::exchange(other.base_, nullptr)),
      pages_(other.pages_),
      self_(other.self_),
      why_not_(std::move(other.why_not_)) {}

CopyPages::~CopyPages() {
  if (base_ && grefs_.empty()) munmap(base_, pages_ * kPageSize);
}

}  // namespace hush::xen
