// Any bytes as guest_tx slots: nothing is read outside them, and what comes out is what netback would say.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/support/tx_properties.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using hush::netif::TxRequest;
  const std::size_t count = std::min<std::size_t>(size / sizeof(TxRequest), hush::netif::kSlots);
  if (count == 0) return 0;
  const std::unique_ptr<TxRequest[]> slots(new TxRequest[count]);
  std::memcpy(slots.get(), data, count * sizeof(TxRequest));
  if (const char* broken = hush::test::broken_tx_property({slots.get(), count})) {
    std::fprintf(stderr, "%s\n", broken);
    std::abort();
  }
  return 0;
}
