// Do cells hold what is put into them, and do views of shared pages cover the bytes that they say?
#include "common/shm/shared_memory.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <thread>

namespace hush::shm {
namespace {

struct Three {
  std::uint32_t a, b, c;
  bool operator==(const Three&) const = default;
};
struct Small {
  std::uint16_t a;
  std::int16_t b;
  bool operator==(const Small&) const = default;
};
struct Padded {
  std::uint32_t a;
  std::uint16_t b;
};
struct Odd {
  std::uint8_t bytes[6];
};
struct Wide {
  std::uint64_t a;
};
struct Pointing {
  Pointing(const Pointing&);
  std::uint32_t a;
};
static_assert(WirePod<Three> && WirePod<Small> && WirePod<std::array<std::uint32_t, 5>>);
static_assert(!WirePod<Padded>, "padding would carry our stack to the peer");
static_assert(!WirePod<float>, "some of its bit patterns are no value");
static_assert(!WirePod<Odd> && !WirePod<Wide> && !WirePod<Pointing>);
static_assert(sizeof(SharedWord) == 4 && sizeof(SharedSlot<12>) == 12 && alignof(SharedSlot<12>) == 4);
static_assert(!std::is_copy_constructible_v<SharedWord> && !std::is_copy_assignable_v<SharedWord>);
static_assert(!std::is_copy_constructible_v<SharedSlot<8>> && !std::is_copy_assignable_v<SharedSlot<8>>);

struct Page {
  SharedWord word;
  SharedSlot<16> slot;
};

struct alignas(kPageSize) Memory {
  unsigned char bytes[2 * kPageSize] = {};
};

TEST(SharedWord, IsTheFourBytesAtItsPlace) {
  const auto memory = std::make_unique<Memory>();
  auto& page = layout_at<Page>(memory->bytes + kPageSize);
  page.word.store(0x01020304, std::memory_order_relaxed);
  std::uint32_t raw = 0;
  std::memcpy(&raw, memory->bytes + kPageSize, sizeof raw);
  EXPECT_EQ(raw, 0x01020304U);
  raw = 77;
  std::memcpy(memory->bytes + kPageSize, &raw, sizeof raw);
  EXPECT_EQ(page.word.load(std::memory_order_acquire), 77U);
}

TEST(SharedSlot, HoldsStructsOfItsSizeAndSmaller) {
  const auto memory = std::make_unique<Memory>();
  std::memset(memory->bytes, 0x5a, sizeof memory->bytes);
  auto& slot = layout_at<Page>(memory->bytes).slot;
  slot.put(Three{1, 2, 3});
  EXPECT_EQ(slot.take<Three>(), (Three{1, 2, 3}));
  slot.put(Small{9, -9});
  EXPECT_EQ(slot.take<Small>(), (Small{9, -9}));
  EXPECT_EQ(slot.take<Three>().b, 2U) << "what is behind the small struct stays";
  EXPECT_EQ(memory->bytes[4 + 12], 0x5a) << "a slot of 16, a struct of 12";
}

// XSA-155: what was taken does not change when the peer writes again.
TEST(SharedSlot, TakeIsAPrivateCopy) {
  const auto memory = std::make_unique<Memory>();
  auto& slot = layout_at<Page>(memory->bytes).slot;
  slot.put(Three{1, 2, 3});
  const Three taken = slot.take<Three>();
  slot.put(Three{7, 8, 9});
  EXPECT_EQ(taken, (Three{1, 2, 3}));
}

// A peer that writes at full speed: each 32-bit field is old or new, never a mixture. (H1 of reliability.md.)
TEST(SharedSlot, AMutatingPeerTearsNoField) {
  const auto memory = std::make_unique<Memory>();
  auto& page = layout_at<Page>(memory->bytes);
  constexpr std::uint32_t kOld = 0, kNew = 0xffffffff;
  page.slot.put(Three{kOld, kOld, kOld});
  page.word.store(0, std::memory_order_relaxed);
  std::thread peer([&] {
    for (int i = 0; i < 200'000; ++i) {
      page.slot.put(Three{kNew, kNew, kNew});
      page.slot.put(Three{kOld, kOld, kOld});
    }
    page.word.store(1, std::memory_order_release);
  });
  std::uint32_t torn = 0;
  do {
    const Three seen = page.slot.take<Three>();
    for (const std::uint32_t field : {seen.a, seen.b, seen.c}) torn += field != kOld && field != kNew;
  } while (page.word.load(std::memory_order_acquire) == 0);
  peer.join();
  EXPECT_EQ(torn, 0U);
}

TEST(PageRun, ViewsAndCopiesAreOfTheBytesNamed) {
  const auto memory = std::make_unique<Memory>();
  for (std::size_t i = 0; i < sizeof memory->bytes; ++i)
    memory->bytes[i] = static_cast<unsigned char>(i % 251);
  const PageRun run(memory->bytes, 2);
  EXPECT_EQ(run.pages(), 2U);
  const iovec view = run.kernel_view(1, 100, 60);
  EXPECT_EQ(view.iov_base, memory->bytes + kPageSize + 100);
  EXPECT_EQ(view.iov_len, 60U);

  std::array<std::byte, 40> copy{};
  run.copy_out(1, kPageSize - 40, copy);
  EXPECT_EQ(std::memcmp(copy.data(), memory->bytes + 2 * kPageSize - 40, 40), 0);
  memory->bytes[2 * kPageSize - 40] ^= 0xff;
  EXPECT_NE(std::memcmp(copy.data(), memory->bytes + 2 * kPageSize - 40, 40), 0) << "a copy, not a view";

  const std::array<std::byte, 3> from{std::byte{1}, std::byte{2}, std::byte{3}};
  run.copy_in(0, 4093, from);
  EXPECT_EQ(std::memcmp(memory->bytes + 4093, from.data(), 3), 0);
  EXPECT_EQ(memory->bytes[4092], 4092 % 251);
  EXPECT_EQ(memory->bytes[4096], 4096 % 251);
  EXPECT_EQ(PageRun{}.pages(), 0U);
}

}  // namespace
}  // namespace hush::shm
