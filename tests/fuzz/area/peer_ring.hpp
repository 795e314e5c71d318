// The bytes of a packet ring that a fuzzer writes, and where its ends begin.
#pragma once
#include <memory>

#include "common/area/packet_ring.hpp"
#include "tests/fuzz/input.hpp"

namespace hush::fuzz {

// A ring of its own allocation, so that ASan sees what leaves it, and where to begin in it.
struct PeerRing {
  explicit PeerRing(Input& in)
      : size(64U << in.byte() % 7),
        memory(new std::byte[size]()),
        ring(memory.get(), size),
        max_frame(area::kMinFrame + in.word() % (area::max_frame_of(size) - area::kMinFrame + 1)),
        at(in.byte() % 2 == 0 ? in.number() & ~15U : 0U - 16U * in.byte()),
        last_sleep(in.byte() % 2 == 0 ? 0 : 0U - in.byte()) {}

  [[nodiscard]] std::uint32_t place(std::uint32_t index) const { return index % size; }
  [[nodiscard]] std::uint32_t to_end(std::uint32_t index) const { return size - place(index); }
  [[nodiscard]] std::uint32_t place_of(const std::byte* byte) const {
    require(byte >= memory.get() && byte < memory.get() + size);
    return static_cast<std::uint32_t>(byte - memory.get());
  }
  [[nodiscard]] area::Record record(std::uint32_t index) const { return ring.take<area::Record>(index); }
  [[nodiscard]] bool has_skip(std::uint32_t index) const {
    return record(index).kind == area::Kind::skip && record(index).length + 16 == to_end(index);
  }

  std::uint32_t size;
  std::unique_ptr<std::byte[]> memory;
  shm::ByteRing ring;
  std::uint32_t max_frame, at, last_sleep;
};

// Bytes of a record with its header and padding, by section 4.
constexpr std::uint32_t record_bytes(std::uint32_t length) {
  return 16 + (length + 15) / 16 * 16;
}

}  // namespace hush::fuzz
