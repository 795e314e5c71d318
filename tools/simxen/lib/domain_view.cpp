#include "tools/simxen/lib/domain_view.hpp"

#include <sys/mman.h>

namespace hush::simxen {
namespace {

void* map_shared(int fd, size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) return nullptr;
  // A fork child must not hold another process's domain alive, and a core dump needs none of this.
  ::madvise(at, bytes, MADV_DONTFORK);
  ::madvise(at, bytes, MADV_DONTDUMP);
  return at;
}

}  // namespace

DomainView::DomainView(uint32_t incarnation, UniqueFd memory, UniqueFd memory_readonly, UniqueFd table)
    : incarnation_(incarnation), memory_(std::move(memory)), memory_readonly_(std::move(memory_readonly)) {
  table_ = static_cast<GrantTable*>(map_shared(table.get(), sizeof(GrantTable)));
  window_ = static_cast<std::byte*>(map_shared(memory_.get(), kDomainBytes));
}

DomainView::~DomainView() {
  if (table_ != nullptr) ::munmap(table_, sizeof(GrantTable));
  if (window_ != nullptr) ::munmap(window_, kDomainBytes);
}

}  // namespace hush::simxen
