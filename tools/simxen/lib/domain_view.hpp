// What this process holds of a domain's memory and grant table: descriptors, and windows mapped when first
// needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/unique_fd.hpp"
#include "tools/simxen/wire/grant_table.hpp"

namespace hush::simxen {

class DomainView {
 public:
  DomainView(uint32_t incarnation, UniqueFd memory, UniqueFd memory_readonly, UniqueFd table);
  DomainView(const DomainView&) = delete;
  DomainView& operator=(const DomainView&) = delete;
  ~DomainView();

  uint32_t incarnation() const { return incarnation_; }
  bool usable() const { return table_ != nullptr && window_ != nullptr; }
  bool dead() const { return table_->dead.load() != 0; }
  uint64_t grant(uint32_t gref) const { return table_->entries[gref].word.load(); }
  // Where a copy finds the page. Only copies go through the window: a mapping has its own, with the grant's
  // rights.
  std::byte* page(uint32_t gref) const { return window_ + size_t{gref} * kPageSize; }
  // A read-only mapping comes from a descriptor that cannot be made writable by mprotect.
  int memory_fd(bool writable) const { return writable ? memory_.get() : memory_readonly_.get(); }

 private:
  uint32_t incarnation_;
  UniqueFd memory_;
  UniqueFd memory_readonly_;
  GrantTable* table_ = nullptr;
  std::byte* window_ = nullptr;
};

}  // namespace hush::simxen
