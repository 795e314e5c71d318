// A ring of an area in this process, both ends of it, and frames to put into it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "common/area/packet_ring.hpp"

namespace hush::test {

using FrameBytes = std::vector<std::byte>;

// Numbered: length and all bytes follow from n.
inline FrameBytes numbered(std::uint32_t n, std::size_t length) {
  FrameBytes bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>((n + 1) * 37 + i * 11 + i / 256);
  return bytes;
}

struct AreaRing {
  explicit AreaRing(std::uint32_t size)
      : memory(new (std::align_val_t{128}) std::byte[size]),
        bytes(memory.get(), size),
        producer(words, bytes, std::min(area::kMaxFrame, area::max_frame_of(size))),
        consumer(words, bytes, std::min(area::kMaxFrame, area::max_frame_of(size))) {}
  struct Free {
    void operator()(std::byte* p) const { operator delete[](p, std::align_val_t{128}); }
  };
  std::unique_ptr<std::byte[], Free> memory;
  alignas(128) std::byte word_bytes[sizeof(area::SharedWords)]{};
  area::SharedWords& words = shm::layout_at<area::SharedWords>(word_bytes);
  shm::ByteRing bytes;
  area::SharedProducer producer;
  area::SharedConsumer consumer;
};

}  // namespace hush::test
