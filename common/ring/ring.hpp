// The shared ring of <xen/io/ring.h>, as two types: one for each end.
//
// A page holds requests (front to back) and responses (back to front) in the same slots: a response
// overwrites the request of an earlier slot. Each end owns a producer index, counts without wrapping at the
// ring size, and asks for a wake-up by writing an event index: "notify me when your producer passes this".
//
//   back end:   pending() -> take() ... put() ... publish() -> notify if true -> final_check() -> again if
//   true front end:  put() ... publish() -> notify if true;  pending() -> take() ... final_check()
//
// An end keeps its own indexes privately and never reads them back; the peer's are checked against the
// number of slots each time. A FrontRing initialises the page; a BackRing only attaches to it (a back end
// that initialises wipes requests that are already there: mirage-net-xen PR 68).
//
// Not thread-safe: an end belongs to one thread.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "common/shm/shared_memory.hpp"

namespace hush::ring {

// struct PREFIX_sring, DEFINE_RING_TYPES in ring.h: producers at 0 and 8, events at 4 and 12, slots at 64.
template <shm::WirePod Req, shm::WirePod Rsp>
struct Sring {
  static constexpr std::size_t kSlotBytes = std::max(sizeof(Req), sizeof(Rsp));
  static constexpr std::uint32_t kSlots = std::bit_floor((kPageSize - 64) / kSlotBytes);
  shm::SharedWord req_prod, req_event, rsp_prod, rsp_event;
  shm::SharedSlot<48> reserved;
  shm::SharedSlot<kSlotBytes> slot[kSlots];
};

template <shm::WirePod Req, shm::WirePod Rsp>
struct FrontSide {
  using In = Rsp;
  using Out = Req;
  using Page = Sring<Req, Rsp>;
  static constexpr bool kFront = true;
  static auto& out_prod(Page& p) { return p.req_prod; }
  static auto& out_event(Page& p) { return p.req_event; }
  static auto& in_prod(Page& p) { return p.rsp_prod; }
  static auto& in_event(Page& p) { return p.rsp_event; }
};

template <shm::WirePod Req, shm::WirePod Rsp>
struct BackSide {
  using In = Req;
  using Out = Rsp;
  using Page = Sring<Req, Rsp>;
  static constexpr bool kFront = false;
  static auto& out_prod(Page& p) { return p.rsp_prod; }
  static auto& out_event(Page& p) { return p.rsp_event; }
  static auto& in_prod(Page& p) { return p.req_prod; }
  static auto& in_event(Page& p) { return p.req_event; }
};

// Where an end stands: messages consumed from the peer and produced for it, since the ring began.
struct Position {
  std::uint32_t consumed = 0;
  std::uint32_t produced = 0;
};

// A ring as it stands, to be shown and nothing else: the peer may have written any index of the page.
struct Look {
  Position own;
  std::uint32_t req_prod, req_event, rsp_prod, rsp_event;
};

template <class Side>
class Endpoint {
 public:
  using Page = typename Side::Page;
  using In = typename Side::In;
  using Out = typename Side::Out;
  static constexpr std::uint32_t kSlots = Page::kSlots;

  // Initialises the page, as FRONT_RING_INIT and SHARED_RING_INIT do, and stands at 0.
  static Endpoint create(Page& page) requires(Side::kFront) {
    page.reserved.put(std::array<std::uint32_t, 12>{});
    for (auto& slot : page.slot) slot.put(std::array<std::uint32_t, Page::kSlotBytes / 4>{});
    for (auto* word : {&page.req_prod, &page.rsp_prod}) word->store(0, std::memory_order_relaxed);
    for (auto* word : {&page.req_event, &page.rsp_event}) word->store(1, std::memory_order_relaxed);
    return Endpoint{page, {}};
  }

  // Goes on at a position that the caller knows (BACK_RING_ATTACH). Nothing is read from the page, and
  // nothing written: the next pending() checks the peer's index against the position.
  static Endpoint attach(Page& page, Position at) { return Endpoint{page, at}; }

  // What the page says was last produced by this end. Peer-writable: a hint for attach(), where no better
  // record of the position survives (a stock frontend's ring after a restart without a state file).
  [[nodiscard]] static std::uint32_t published_index(Page& page) {
    return Side::out_prod(page).load(std::memory_order_acquire);
  }

  // Messages that can be taken. nullopt: the peer's index is impossible; the ring is not to be used again
  // (never treat it as empty: that hangs in silence).
  [[nodiscard]] std::optional<std::uint32_t> pending() const {
    const std::uint32_t count = Side::in_prod(*page_).load(std::memory_order_acquire) - consumed_;
    if (count > possible()) return std::nullopt;
    return count;
  }

  // A private copy of the next message. Call no more often than pending() said.
  [[nodiscard]] In take() { return page_->slot[consumed_++ & (kSlots - 1)].template take<In>(); }

  // The last `count` messages taken stay in the ring after all, and are taken anew: what was read of them is
  // void.
  void give_back(std::uint32_t count) { consumed_ -= count; }

  // Messages that may still be put: free slots (front), answers owed (back).
  [[nodiscard]] std::uint32_t room() const {
    return Side::kFront ? kSlots - (produced_ - consumed_) : consumed_ - produced_;
  }

  // Message may be Out, or another wire struct that fits a slot (an extra-info).
  template <shm::WirePod Message>
  void put(const Message& message) {
    page_->slot[produced_++ & (kSlots - 1)].put(message);
  }

  // Makes every put() visible. True: the peer asked to be notified of one of them
  // (RING_PUSH_*_AND_CHECK_NOTIFY). The store and the load are seq_cst: they pair with the peer's
  // final_check(), so that at least one of the two sees the other.
  [[nodiscard]] bool publish() {
    const std::uint32_t before = published_;
    published_ = produced_;
    Side::out_prod(*page_).store(produced_, std::memory_order_seq_cst);
    const std::uint32_t event = Side::out_event(*page_).load(std::memory_order_seq_cst);
    return produced_ - event < produced_ - before;
  }
  [[nodiscard]] bool unpublished() const { return published_ != produced_; }

  // Asks for an event once `wanted` messages wait (1: at the next one). True: they are there already, so no
  // event will come for them: go round again (RING_FINAL_CHECK_FOR_*). An impossible index answers true as
  // well, and the pending() of that round names it. wanted is at most what the peer can still send.
  [[nodiscard]] bool final_check(std::uint32_t wanted = 1) {
    Side::in_event(*page_).store(consumed_ + wanted, std::memory_order_seq_cst);
    const std::uint32_t count = Side::in_prod(*page_).load(std::memory_order_seq_cst) - consumed_;
    return count >= wanted || count > possible();
  }

  [[nodiscard]] Position position() const { return {consumed_, produced_}; }
  [[nodiscard]] Look look() const {
    const auto read = [](auto& word) { return word.load(std::memory_order_relaxed); };
    return {position(), read(page_->req_prod), read(page_->req_event), read(page_->rsp_prod),
            read(page_->rsp_event)};
  }

 private:
  Endpoint(Page& page, Position at)
      : page_(&page), consumed_(at.consumed), produced_(at.produced), published_(at.produced) {}

  // The most that an honest peer can have for us: a front end is owed no more responses than it has requests
  // out, a back end no more requests than slots without an answer. Counted from what was published: of the
  // rest the peer knows nothing. (Stricter than RING_RESPONSE_PROD_OVERFLOW, RING_REQUEST_PROD_OVERFLOW.)
  [[nodiscard]] std::uint32_t possible() const {
    return Side::kFront ? published_ - consumed_ : kSlots - (consumed_ - published_);
  }

  Page* page_;
  std::uint32_t consumed_;
  std::uint32_t produced_;
  std::uint32_t published_;
};

template <class Req, class Rsp>
using FrontRing = Endpoint<FrontSide<Req, Rsp>>;
template <class Req, class Rsp>
using BackRing = Endpoint<BackSide<Req, Rsp>>;

}  // namespace hush::ring
