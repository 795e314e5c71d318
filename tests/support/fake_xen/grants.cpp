#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "common/xen/c_api.hpp"
#include "tests/support/fake_xen/world.hpp"

using hush::test::FakeXen;
using Lock = std::lock_guard<std::mutex>;

namespace hush::test {

FakeXen& FakeXen::get() {
  static FakeXen world;
  return world;
}
void FakeXen::reset() {
  const Lock lock(mutex);
  grants.clear();
  mapped.clear();
  may_share = false;
  may_open_channels = true;
  next_shared_gref = 8;
  offered.clear();
  bound.clear();
  for (auto& [fd, ports] : pending) ports.clear();
  nodes.clear();
  watch_events.clear();
  next_port = 1;
  call_count = notify_count = read_count = bad_segment_count = 0;
  failing.reset();
}
std::uint32_t FakeXen::grant(bool writable) {
  const Lock lock(mutex);
  grants.push_back({std::make_shared<GuestPage>(), writable});
  return static_cast<std::uint32_t>(grants.size());
}
std::uint32_t FakeXen::grant_run(std::uint32_t pages) {
  const Lock lock(mutex);
  const std::shared_ptr<GuestPage[]> run(new GuestPage[pages]());
  for (std::uint32_t i = 0; i < pages; ++i) grants.push_back({{run, &run[i]}, true});
  return static_cast<std::uint32_t>(grants.size()) - pages + 1;
}
GuestPage& FakeXen::page(std::uint32_t gref) {
  return *grants[gref - 1].page;
}
void FakeXen::revoke(std::uint32_t gref) {
  const Lock lock(mutex);
  grants[gref - 1].revoked = true;
}
void FakeXen::fail_call(std::uint64_t n) {
  const Lock lock(mutex);
  failing = call_count + n;
}
std::uint64_t FakeXen::calls() {
  const Lock lock(mutex);
  return call_count;
}
std::size_t FakeXen::maps() {
  const Lock lock(mutex);
  return mapped.size();
}
void FakeXen::let_share() {
  const Lock lock(mutex);
  may_share = true;
}
void* FakeXen::shared_page(std::uint32_t gref) {
  const Lock lock(mutex);
  for (const auto& [base, share] : shared)
    if (gref - share.first_gref < share.pages)
      return static_cast<std::byte*>(base) + std::size_t{gref - share.first_gref} * kPageSize;
  return nullptr;
}
std::size_t FakeXen::shares() {
  const Lock lock(mutex);
  return shared.size();
}
std::uint64_t FakeXen::bad_segments() {
  const Lock lock(mutex);
  return bad_segment_count;
}
bool FakeXen::fails() {
  return call_count++ == failing;
}
FakeXen::Grant* FakeXen::find(std::uint32_t domid, std::uint32_t gref) {
  if (domid != kGuest.value || gref == 0 || gref > grants.size() || grants[gref - 1].revoked) return nullptr;
  return &grants[gref - 1];
}

// One segment of a grant copy; the mutex is held.
static std::int16_t copy(FakeXen& world, xengnttab_grant_copy_segment_t& segment) {
  const bool from_guest = segment.flags & GNTCOPY_source_gref;
  const auto& foreign = from_guest ? segment.source.foreign : segment.dest.foreign;
  if (world.fails()) return GNTST_eagain;
  if (foreign.offset + segment.len > kPageSize) {
    ++world.bad_segment_count;
    return GNTST_bad_copy_arg;
  }
  FakeXen::Grant* grant = world.find(foreign.domid, foreign.ref);
  if (!grant) return GNTST_bad_gntref;
  if (!from_guest && !grant->writable) return GNTST_permission_denied;
  std::byte* there = grant->page->bytes + foreign.offset;
  if (from_guest)
    std::memcpy(segment.dest.virt, there, segment.len);
  else
    std::memcpy(there, segment.source.virt, segment.len);
  return GNTST_okay;
}

}  // namespace hush::test

extern "C" {

// The world is one; a handle only has to be something that is not null.
xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
  return reinterpret_cast<xengnttab_handle*>(&FakeXen::get());
}
int xengnttab_close(xengnttab_handle*) {
  return 0;
}
void* xengnttab_map_grant_ref(xengnttab_handle*, std::uint32_t domid, std::uint32_t ref, int prot) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  FakeXen::Grant* grant = world.find(domid, ref);
  if (world.fails() || !grant || ((prot & PROT_WRITE) && !grant->writable)) return errno = EINVAL, nullptr;
  ++world.mapped[grant->page.get()];
  return grant->page.get();
}
void* xengnttab_map_grant_ref_notify(xengnttab_handle* handle, std::uint32_t domid, std::uint32_t ref,
                                     int prot, std::uint32_t, evtchn_port_t) {
  return xengnttab_map_grant_ref(handle, domid, ref, prot);
}
void* xengnttab_map_domain_grant_refs(xengnttab_handle* handle, std::uint32_t count, std::uint32_t domid,
                                      std::uint32_t* refs, int prot) {
  auto& world = FakeXen::get();
  {  // what does not lie side by side cannot be made to
    const Lock lock(world.mutex);
    const FakeXen::Grant* const first = world.find(domid, refs[0]);
    for (std::uint32_t i = 0; i < count; ++i) {
      const FakeXen::Grant* const grant = world.find(domid, refs[i]);
      if (!grant || grant->page.get() != first->page.get() + i) return errno = EINVAL, nullptr;
    }
  }
  return xengnttab_map_grant_ref(handle, domid, refs[0], prot);
}
// Unless a test lets it, no page of one's own is granted here: the copies then name addresses.
xengntshr_handle* xengntshr_open(xentoollog_logger*, unsigned) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (!world.may_share) return errno = ENOENT, nullptr;
  return reinterpret_cast<xengntshr_handle*>(&world);
}
int xengntshr_close(xengntshr_handle*) {
  return 0;
}
void* xengntshr_share_pages(xengntshr_handle*, std::uint32_t, int count, std::uint32_t* refs, int) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (world.fails()) return errno = ENOSPC, nullptr;
  const auto pages = static_cast<std::uint32_t>(count);
  void* base = mmap(nullptr, pages * std::size_t{hush::kPageSize}, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  world.shared[base] = {world.next_shared_gref, pages};
  for (std::uint32_t i = 0; i < pages; ++i) refs[i] = world.next_shared_gref++;
  return base;
}
void* xengntshr_share_page_notify(xengntshr_handle* handle, std::uint32_t domid, std::uint32_t* ref,
                                  int writable, std::uint32_t, evtchn_port_t) {
  return xengntshr_share_pages(handle, domid, 1, ref, writable);
}
int xengntshr_unshare(xengntshr_handle*, void* start, std::uint32_t count) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  if (world.shared.erase(start) == 0) return errno = EINVAL, -1;
  return munmap(start, count * std::size_t{hush::kPageSize});
}
int xengnttab_unmap(xengnttab_handle*, void* start, std::uint32_t) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  const auto found = world.mapped.find(start);
  if (found == world.mapped.end()) return errno = EINVAL, -1;
  if (--found->second == 0) world.mapped.erase(found);
  return 0;
}
int xengnttab_grant_copy(xengnttab_handle*, std::uint32_t count, xengnttab_grant_copy_segment_t* segments) {
  auto& world = FakeXen::get();
  const Lock lock(world.mutex);
  for (std::uint32_t i = 0; i < count; ++i) segments[i].status = hush::test::copy(world, segments[i]);
  return 0;
}

}  // extern "C"
