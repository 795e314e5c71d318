// A guest that writes anything into the page of its control ring between any two of our steps, and anything
// into the pages that its requests name; then a frame of any bytes. No step is unbounded, no page is read
// beyond its end, and no frame is steered to a queue that there is not.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "dom0/vif/packet_hash.hpp"

namespace {

using namespace hush;

struct alignas(kPageSize) Page {
  unsigned char bytes[kPageSize];
};

void require(bool holds) {
  if (!holds) std::abort();
}

// One turn, as CtrlRing::run has it. source: what lies in the guest's granted pages.
void turn(netif::CtrlBack& ring, netif::HashState& state, std::span<const std::uint8_t> source) {
  const auto pending = ring.pending();
  if (!pending) return require(ring.final_check());  // a lie is never slept on
  require(*pending <= netif::CtrlBack::kSlots);
  for (std::uint32_t i = 0; i < *pending; ++i) {
    const netif::CtrlRequest request = ring.take();
    const auto wanted = state.wants(request);
    require(wanted.bytes <= kPageSize);
    // Its own allocation, so that a read beyond it is seen.
    std::vector<std::byte> bytes(wanted.bytes);
    std::copy_n(std::as_bytes(source).begin(), std::min(bytes.size(), source.size()), bytes.begin());
    const bool copied = request.id % 8 != 0;
    const auto response =
        state.handle(request, copied ? std::optional<std::span<const std::byte>>(bytes) : std::nullopt);
    require(response.id == request.id && response.type == request.type);
    require(copied || wanted.bytes == 0 || response.status == netif::ctrl_status::kInvalidParameter);
    ring.put(response);
  }
  (void)ring.publish();
  (void)ring.final_check();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::uint32_t queues = 1 + data[0] % 8, at = data[1] * 0x01010101U;
  const auto page = std::make_unique<Page>();
  std::memset(page.get(), 0, sizeof(Page));
  auto ring = netif::CtrlBack::attach(shm::layout_at<netif::CtrlSring>(page.get()), {at, at});
  netif::HashState state(queues);
  const std::span<const std::uint8_t> input(data, size);
  for (std::size_t i = 2; i + 20 <= size; i += 20) {
    const std::uint32_t produced = at + data[i] % 4 * static_cast<std::uint32_t>(i / 20);
    std::memcpy(page->bytes, &produced, sizeof produced);  // req_prod
    std::memcpy(page->bytes + 64 + (data[i + 1] % netif::CtrlBack::kSlots) * 16, data + i + 4, 16);
    turn(ring, state, input.subspan(i));
    require(state.queue_of(produced) < queues);
  }
  const std::vector<std::byte> frame(std::as_bytes(input).begin() + 2, std::as_bytes(input).end());
  if (const auto hash = dom0::hash_packet(state, frame)) require(state.hashes(hash->type));
  return 0;
}
