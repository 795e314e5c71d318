#include "common/xen/grant_share.hpp"

#include <string>
#include <utility>

namespace hush::xen {

SharedPages& SharedPages::operator=(SharedPages&& other) noexcept {
  if (this != &other) {
    reset();
    table_ = std::exchange(other.table_, nullptr);
    base_ = std::exchange(other.base_, nullptr);
    grefs_ = std::exchange(other.grefs_, {});
  }
  return *this;
}

void SharedPages::reset() {
  if (base_) xengntshr_unshare(table_, base_, static_cast<std::uint32_t>(grefs_.size()));
  base_ = nullptr;
  grefs_.clear();
}

Result<GrantShare> GrantShare::open() {
  xengntshr_handle* handle = xengntshr_open(nullptr, 0);
  if (!handle)
    return errno_error("cannot open /dev/xen/gntalloc (as root, in a guest: modprobe xen-gntalloc)");
  return GrantShare{handle};
}

namespace {

Error share_error(DomId peer, std::uint32_t pages) {
  std::string what = "grant " + std::to_string(pages) + " pages to domain " + std::to_string(peer.value);
  if (errno == ENOSPC) what += " (raise /sys/module/xen_gntalloc/parameters/limit)";
  return errno_error(std::move(what));
}

}  // namespace

Result<SharedPages> GrantShare::share(DomId peer, std::uint32_t pages, bool writable) {
  std::vector<std::uint32_t> grefs(pages);
  void* base =
      xengntshr_share_pages(handle_.get(), peer.value, static_cast<int>(pages), grefs.data(), writable);
  if (!base) return share_error(peer, pages);
  return SharedPages{handle_.get(), base, std::move(grefs)};
}

Result<SharedPages> GrantShare::share(DomId peer, UnmapNotify notify) {
  std::vector<std::uint32_t> grefs(1);
  constexpr int kWritable = 1;
  void* base = xengntshr_share_page_notify(handle_.get(), peer.value, grefs.data(), kWritable,
                                           notify.offset_value(), notify.port_value());
  if (!base) return share_error(peer, 1);
  return SharedPages{handle_.get(), base, std::move(grefs)};
}

}  // namespace hush::xen
