// The grants of other domains, over libxengnttab: map pages, copy bytes.
//
// A GrantTable is one open /dev/xen/gntdev. Maps made through it live until their MappedPages is destroyed,
// or the process ends (the kernel unmaps). Not thread-safe: one handle a thread. Must outlive its mappings.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "common/types.hpp"
#include "common/xen/c_api.hpp"
#include "common/xen/copy_pages.hpp"
#include "common/xen/unmap_notify.hpp"

namespace hush::xen {

// Pages of a peer, mapped here, contiguous. Unmapped on destruction.
class MappedPages {
 public:
  MappedPages() = default;
  MappedPages(xengnttab_handle* table, void* base, std::uint32_t pages)
      : table_(table), base_(base), pages_(pages) {}
  MappedPages(MappedPages&& other) noexcept { *this = std::move(other); }
  MappedPages& operator=(MappedPages&& other) noexcept;
  ~MappedPages() { reset(); }

  void reset();
  [[nodiscard]] void* base() const { return base_; }  // for common/shm only; null after reset or move
  [[nodiscard]] std::uint32_t pages() const { return pages_; }

 private:
  xengnttab_handle* table_ = nullptr;
  void* base_ = nullptr;
  std::uint32_t pages_ = 0;
};

class GrantTable {
 public:
  // Fails with what to do where /dev/xen/gntdev is missing.
  static Result<GrantTable> open();

  // Maps one page of the peer for reading and writing. Notify is set up where given.
  Result<MappedPages> map(DomId peer, Gref gref, std::optional<UnmapNotify> notify = {});
  // Maps pages of the peer in one contiguous run, in the order of the grefs.
  Result<MappedPages> map(DomId peer, std::span<const std::uint32_t> grefs, bool writable);

  [[nodiscard]] xengnttab_handle* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(xengnttab_handle* h) const { xengnttab_close(h); }
  };
  explicit GrantTable(xengnttab_handle* h) : handle_(h) {}
  std::unique_ptr<xengnttab_handle, Close> handle_;
};

// Copies between own pages and granted pages of peers, gathered into one call of gntdev.
// Capacity is set once and is the caller's to keep; adding allocates nothing.
class CopyBatch {
 public:
  // pages outlives the batch.
  CopyBatch(std::size_t capacity, const CopyPages& pages) : pages_(pages), segments_(capacity) {}

  // The bytes lie in pages and cross no page, neither there nor, from offset on, in the peer's: the caller
  // has checked the peer's numbers. Neighbours in one page cost less than one in a page each.
  void from_peer(DomId peer, std::uint32_t gref, std::uint16_t offset, std::span<std::byte> to);
  void to_peer(DomId peer, std::uint32_t gref, std::uint16_t offset, std::span<const std::byte> from);

  [[nodiscard]] std::size_t size() const { return size_; }
  // Runs all. After an error of the call as a whole every segment counts as failed.
  Result<void> run(GrantTable& table);
  // GNTST_okay (0) or a negative GNTST_* of <xen/grant_table.h>, of the i-th segment, after run().
  [[nodiscard]] std::int16_t status(std::size_t i) const { return segments_[i].status; }
  void clear() { size_ = 0; }

 private:
  const CopyPages& pages_;
  std::vector<xengnttab_grant_copy_segment_t> segments_;  // capacity of them, the first size_ in use
  std::size_t size_ = 0;
};

}  // namespace hush::xen
