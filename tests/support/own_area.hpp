// An area in this process's own memory, for tests that are both of its ends.
#pragma once
#include <cstring>
#include <memory>
#include <new>

#include "common/area/layout.hpp"

namespace hush::test {

class OwnArea {
 public:
  explicit OwnArea(const area::Header& header)
      : header_(header), page_(pages(1)), rings_(pages(area::ring_pages(header))) {
    view().page->header.put(header);
    view().page->front_lives.store(1);
    view().page->back_lives.store(1);
  }
  [[nodiscard]] area::View view() const {
    return {header_, &shm::layout_at<area::HeaderPage>(page_.get()), rings_.get()};
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { operator delete[](p, std::align_val_t{kPageSize}); }
  };
  using Memory = std::unique_ptr<std::byte[], Free>;
  static Memory pages(std::size_t count) {
    Memory memory(new (std::align_val_t{kPageSize}) std::byte[count * kPageSize]);
    std::memset(memory.get(), 0, count * kPageSize);
    return memory;
  }
  area::Header header_;
  Memory page_, rings_;
};

}  // namespace hush::test
