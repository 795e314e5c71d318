// Own pages, granted to a peer, over libxengnttab's xengntshr (/dev/xen/gntalloc). Front-end side.
//
// Not thread-safe: one handle a thread. A handle must outlive its shares. Pages that the peer still maps when
// a share ends stay with the kernel until the peer lets go: they are never reused before.
#pragma once

#include <memory>
#include <vector>

#include "common/result.hpp"
#include "common/shm/shared_memory.hpp"
#include "common/types.hpp"
#include "common/xen/c_api.hpp"
#include "common/xen/unmap_notify.hpp"

namespace hush::xen {

class SharedPages {
 public:
  SharedPages() = default;
  SharedPages(xengntshr_handle* table, void* base, std::vector<std::uint32_t> grefs)
      : table_(table), base_(base), grefs_(std::move(grefs)) {}
  SharedPages(SharedPages&& other) noexcept { *this = std::move(other); }
  SharedPages& operator=(SharedPages&& other) noexcept;
  ~SharedPages() { reset(); }

  void reset();
  [[nodiscard]] void* base() const { return base_; }  // for common/shm only
  [[nodiscard]] shm::PageRun run() const { return {base_, grefs_.size()}; }
  [[nodiscard]] const std::vector<std::uint32_t>& grefs() const { return grefs_; }

 private:
  xengntshr_handle* table_ = nullptr;
  void* base_ = nullptr;
  std::vector<std::uint32_t> grefs_;
};

class GrantShare {
 public:
  static Result<GrantShare> open();

  // Zeroed pages, contiguous here. The error names the gntalloc limit where that is what is short.
  Result<SharedPages> share(DomId peer, std::uint32_t pages, bool writable);
  // One page, writable, with a last word of this process's kernel.
  Result<SharedPages> share(DomId peer, UnmapNotify notify);

 private:
  struct Close {
    void operator()(xengntshr_handle* h) const { xengntshr_close(h); }
  };
  explicit GrantShare(xengntshr_handle* h) : handle_(h) {}
  std::unique_ptr<xengntshr_handle, Close> handle_;
};

}  // namespace hush::xen
