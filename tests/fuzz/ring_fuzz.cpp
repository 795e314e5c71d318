// A peer that writes anything anywhere in the ring page between any two of our steps: each step is bounded,
// no message comes from outside the page, and an end never believes in more than the ring can hold.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "common/netif/wire.hpp"

namespace {

using namespace hush;

struct alignas(kPageSize) Page {
  unsigned char bytes[kPageSize];
};

void require(bool holds) {
  if (!holds) std::abort();
}

template <class End, class Message>
void play(unsigned char* page, std::uint32_t at, const std::uint8_t* data, std::size_t size,
          const Message& message) {
  auto end = End::attach(shm::layout_at<typename End::Page>(page), {at, at});
  for (std::size_t i = 0; i + 6 <= size; i += 6) {
    switch (data[i] % 4) {
      case 0: {  // the peer writes a word: an index, an event, a slot
        std::uint32_t value;
        std::memcpy(&value, data + i + 2, sizeof value);
        // Indexes near ours are the interesting ones.
        if (data[i] & 0x80) value = at + value % 1024;
        std::memcpy(page + (data[i + 1] % 32) * 4, &value, sizeof value);
        break;
      }
      case 1:
        if (const auto count = end.pending()) {
          require(*count <= End::kSlots);
          for (std::uint32_t n = 0; n < *count; ++n) (void)end.take();
        } else {
          require(end.final_check());  // a lie is never slept on
        }
        break;
      case 2:
        for (std::uint32_t n = data[i + 1]; n > 0 && end.room() > 0; --n) end.put(message);
        (void)end.publish();
        break;
      case 3:
        (void)end.final_check(1U + data[i + 1] % End::kSlots);
        break;
    }
    require(end.room() <= End::kSlots);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  const auto page = std::make_unique<Page>();
  std::memset(page->bytes, 0, sizeof page->bytes);
  std::uint32_t at;
  std::memcpy(&at, data + 1, sizeof at);
  for (const std::size_t offset : {0U, 8U}) std::memcpy(page->bytes + offset, &at, sizeof at);
  if (data[0] & 1)
    play<netif::TxBack>(page->bytes, at, data + 5, size - 5, netif::TxResponse{3, -1});
  else
    play<netif::TxFront>(page->bytes, at, data + 5, size - 5, netif::TxRequest{9, 0, 0, 4, 60});
  return 0;
}
