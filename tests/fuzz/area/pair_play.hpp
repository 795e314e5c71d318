// Both directions of an end over its generations, while the other end writes any words and records into the
// areas that it has, the one before too; offered, withdrawn and followed at any step.
#pragma once
#include <array>
#include <cstring>
#include <memory>

#include "common/area/ring_pair.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/own_area.hpp"

namespace hush::fuzz {

class PairPlay {
 public:
  explicit PairPlay(Input input)
      : in_(input), back_(in_.byte() % 2 == 0), now_(make()), rings_(side_of(*now_)) {}

  void run() {
    for (int moves = 0; !in_.empty() && moves < 200; ++moves) move(in_.byte());
  }

 private:
  using Crossing = area::RingPair::Crossing;
  using Area = std::unique_ptr<test::OwnArea>;

  // Short ones, with short frames: what lies behind their ends is soon reached, and ASan sees it.
  Area make() {
    const auto ring = [this] { return area::kMinRing << in_.byte() % 2; };
    auto header = area::header_of(1, ring(), ring());
    header.guest_tx_max_frame = header.guest_rx_max_frame = area::kLeastMaxFrame;
    return std::make_unique<test::OwnArea>(header);
  }
  [[nodiscard]] area::Side side_of(const test::OwnArea& area) const {
    return back_ ? area::back_side(area.view()) : area::front_side(area.view());
  }
  [[nodiscard]] test::OwnArea& out_area() { return leads_ ? *next_ : *now_; }

  void move(std::uint8_t what) {
    switch (what % 10) {
      case 0:
      case 1:
        return write_word();
      case 2:
        return write_record();
      case 3:
      case 4:
        return peek();
      case 5:
        return reserve();
      case 6:
        if (rings_.in.unreleased()) (void)rings_.in.release();
        if (rings_.out.unpublished()) (void)rings_.out.publish();
        rings_.out.look();
        return;
      case 7:
        return begin();
      case 8:
        return end();
      default:
        return cross();
    }
  }

  // ---- the other end
  area::Side any_side() {
    if (next_ && in_.byte() % 2 == 0) return side_of(*next_);
    return side_of(*now_);
  }
  void write_word() {
    const area::Side side = any_side();
    const std::uint32_t value = in_.byte() % 8 == 0 ? in_.number() : std::uint32_t{in_.byte()} * 16;
    const std::array words{&side.in_words->produced, &side.in_words->room, &side.out_words->consumed,
                           &side.out_words->mode};
    const std::uint8_t which = in_.byte();
    words[which < 128 ? 0 : which % 4]->store(value, std::memory_order_seq_cst);
  }
  void write_record() {
    area::Side side = any_side();
    const std::uint32_t lengths[] = {0, 60, in_.byte(), in_.word(), in_.number()};
    const std::uint16_t kind = in_.byte() % 8;
    area::Record record{.length = lengths[in_.byte() % 5], .kind = area::Kind{kind}};
    if (kind >= 4) record = {.kind = area::Kind::switch_over};
    side.in_ring.put(std::uint32_t{in_.byte()} * 16, record);
  }

  // ---- this one
  void peek() {
    area::Frame frame;
    const auto before = rings_.in.fault();
    const bool switched = rings_.in.switched();
    const bool got = rings_.in.peek(frame);
    if (before != area::Fault::none) require(!got && rings_.in.fault() == before);
    if (switched) require(!got && rings_.in.fault() == before);
    if (rings_.in.switched()) require(next_ && (back_ || leads_));
    if (!got) return;
    const area::Side side = side_of(*now_);
    const auto ring = side.in_ring.bytes(0, side.in_ring.size());
    require(frame.bytes.data() >= ring.data() &&
            frame.bytes.data() + frame.bytes.size() <= ring.data() + ring.size());
    for (const std::byte byte : frame.bytes) last_byte_ = byte;
  }
  void reserve() {
    const std::uint32_t length = area::kMinFrame + in_.word() % (area::kLeastMaxFrame - area::kMinFrame + 1);
    std::byte* const place = rings_.out.reserve(length);
    if (!place) return;
    const area::Side side = side_of(out_area());
    const auto ring = side.out_ring.bytes(0, side.out_ring.size());
    require(place >= ring.data() && place + length <= ring.data() + ring.size());
    std::memset(place, 0x5a, length);
    rings_.out.commit({.length = length});
  }
  void begin() {
    if (next_ || rings_.fault() != area::Fault::none) return;
    next_ = make();
    if (back_) return rings_.stage(side_of(*next_));
    if (rings_.out.unpublished()) (void)rings_.out.publish();
    (void)rings_.lead(side_of(*next_));
    leads_ = true;
    require(rings_.leads());
  }
  void end() {
    const bool withdrawn = in_.byte() % 2 == 0, could = back_ && next_ && !rings_.in.switched();
    if (!back_ || rings_.in.switched()) return;
    const bool ended = rings_.unstage(withdrawn);
    require(!ended || could);
    require(ended || !could || !withdrawn);
    if (ended) next_.reset();
  }
  void cross() {
    if (rings_.fault() != area::Fault::none) return;  // its owner has ended it
    const bool due = rings_.in.switched();
    if (rings_.in.unreleased()) (void)rings_.in.release();
    if (rings_.out.unpublished()) (void)rings_.out.publish();
    const Crossing crossing = rings_.cross();
    require((crossing != Crossing::none) == due);
    if (!due) return;
    require(crossing == (back_ ? Crossing::followed : Crossing::over) && !rings_.leads());
    now_ = std::move(next_);  // the one before is gone: nothing touches it any more
    leads_ = false;
  }

  Input in_;
  bool back_;
  Area now_, next_;
  bool leads_ = false;
  area::RingPair rings_;
  volatile std::byte last_byte_{};
};

}  // namespace hush::fuzz
