// Memory that two processes share, and nothing else: a file that the bench has made (a memfd), mapped.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "tools/bench/area_programs/process.hpp"

namespace hush::bench {

class RawMemory {
 public:
  explicit RawMemory(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) give_up(path);
    struct stat about {};
    if (::fstat(file, &about) != 0) give_up(path);
    size_ = static_cast<std::size_t>(about.st_size);
    // Present from the start: no page fault is measured.
    base_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
    ::close(file);
    if (base_ == MAP_FAILED) give_up(path);
  }
  ~RawMemory() { ::munmap(base_, size_); }
  RawMemory(const RawMemory&) = delete;
  RawMemory& operator=(const RawMemory&) = delete;

  [[nodiscard]] std::byte* base() const { return static_cast<std::byte*>(base_); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hush::bench
