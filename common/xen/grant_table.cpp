#include "common/xen/grant_table.hpp"

#include <sys/mman.h>

#include <string>
#include <utility>

namespace hush::xen {

MappedPages& MappedPages::operator=(MappedPages&& other) noexcept {
  if (this != &other) {
    reset();
    table_ = std::exchange(other.table_, nullptr);
    base_ = std::exchange(other.base_, nullptr);
    pages_ = std::exchange(other.pages_, 0);
  }
  return *this;
}

void MappedPages::reset() {
  if (base_) xengnttab_unmap(table_, base_, pages_);
  base_ = nullptr;
  pages_ = 0;
}

Result<GrantTable> GrantTable::open() {
  xengnttab_handle* handle = xengnttab_open(nullptr, 0);
  if (!handle) return errno_error("cannot open /dev/xen/gntdev (as root, on Xen: modprobe xen-gntdev)");
  return GrantTable{handle};
}

Result<MappedPages> GrantTable::map(DomId peer, Gref gref, std::optional<UnmapNotify> notify) {
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  void* base = nullptr;
  if (notify) {
    base = xengnttab_map_grant_ref_notify(handle_.get(), peer.value, gref.value, kProtection,
                                          notify->offset_value(), notify->port_value());
  } else {
    base = xengnttab_map_grant_ref(handle_.get(), peer.value, gref.value, kProtection);
  }
  if (!base)
    return errno_error("map grant " + std::to_string(gref.value) + " of domain " +
                       std::to_string(peer.value));
  return MappedPages{handle_.get(), base, 1};
}

Result<MappedPages> GrantTable::map(DomId peer, std::span<const std::uint32_t> grefs, bool writable) {
  const auto count = static_cast<std::uint32_t>(grefs.size());
  std::vector<std::uint32_t> refs(grefs.begin(), grefs.end());  // the C call takes a pointer to non-const
  void* base = xengnttab_map_domain_grant_refs(handle_.get(), count, peer.value, refs.data(),
                                               writable ? PROT_READ | PROT_WRITE : PROT_READ);
  if (!base)
    return errno_error("map " + std::to_string(count) + " grants of domain " + std::to_string(peer.value));
  return MappedPages{handle_.get(), base, count};
}

void CopyBatch::from_peer(DomId peer, std::uint32_t gref, std::uint16_t offset, std::span<std::byte> to) {
  auto& segment = segments_[size_++];
  segment.source.foreign = {gref, offset, peer.value};
  segment.len = static_cast<std::uint16_t>(to.size());
  segment.flags = GNTCOPY_source_gref;
  if (const auto own = pages_.place(to.data())) {
    segment.dest.foreign = {own->gref.value, own->offset, pages_.self().value};
    segment.flags |= GNTCOPY_dest_gref;
  } else {
    segment.dest.virt = to.data();
  }
}

void CopyBatch::to_peer(DomId peer, std::uint32_t gref, std::uint16_t offset,
                        std::span<const std::byte> from) {
  auto& segment = segments_[size_++];
  segment.dest.foreign = {gref, offset, peer.value};
  segment.len = static_cast<std::uint16_t>(from.size());
  segment.flags = GNTCOPY_dest_gref;
  if (const auto own = pages_.place(from.data())) {
    segment.source.foreign = {own->gref.value, own->offset, pages_.self().value};
    segment.flags |= GNTCOPY_source_gref;
  } else {
    segment.source.virt = const_cast<std::byte*>(from.data());  // the C struct has no const; it is only read
  }
}

Result<void> CopyBatch::run(GrantTable& table) {
  if (size_ == 0) return {};
  if (xengnttab_grant_copy(table.handle(), static_cast<std::uint32_t>(size_), segments_.data()) == 0)
    return {};
  Error failure = errno_error("grant copy of " + std::to_string(size_) + " segments");
  for (auto& segment : std::span(segments_).first(size_)) segment.status = GNTST_general_error;
  return failure;
}

}  // namespace hush::xen
