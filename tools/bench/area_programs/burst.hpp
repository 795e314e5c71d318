// A burst of frames with an honest payload, through an area by the library for applications.
#pragma once
#include <cstddef>
#include <cstdint>

#include "domu/library/direct_vif.hpp"
#include "tools/bench/area_programs/payload.hpp"

namespace hush::bench {

// Sends frame number `first` and those after it, at most `burst`, as far as there is room; how many.
inline std::uint64_t send_burst(AreaLink& link, std::uint64_t first, std::uint32_t burst,
                                std::uint32_t size) {
  std::uint64_t frames = 0;
  for (; frames < burst; ++frames) {
    std::byte* const place = link.reserve(size);
    if (place == nullptr) break;
    write_payload({place, size}, first + frames);
    link.commit({.length = size});
  }
  if (frames != 0) link.publish_more();
  return frames;
}

// Takes and checks at most `burst`; how many.
inline std::uint64_t take_burst(AreaLink& link, PayloadCheck& check, std::uint64_t burst) {
  area::Frame frame;
  std::uint64_t frames = 0;
  for (; frames < burst && link.peek(frame); ++frames) check.frame(frame.bytes);
  if (frames != 0) link.release();
  return frames;
}

// What the first so many frames sum up to.
inline std::uint64_t sum_of_sent(std::uint64_t frames, std::size_t size) {
  std::uint64_t sum = 0;
  for (std::uint64_t number = 0; number != frames; ++number) sum += sum_of_number(number, size);
  return sum;
}

}  // namespace hush::bench
