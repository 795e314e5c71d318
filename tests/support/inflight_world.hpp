// A ring, its in-flight file, a guest that keeps books, and a back end that is killed after any number of
// steps. A step is a store into the file or into the ring, or an effect: all that a kill can come between.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "common/inflight/array.hpp"

namespace hush::test {

struct Killed {};

// How many steps a life has left.
class Steps {
 public:
  void allow(std::size_t steps) { left_ = steps; }
  void take() {
    if (left_ == 0) throw Killed{};
    --left_;
    ++taken_;
  }
  [[nodiscard]] std::size_t taken() const { return taken_; }

 private:
  std::size_t left_ = SIZE_MAX;
  std::size_t taken_ = 0;
};

// Memory of a file whose stores can be cut off.
class CutWords {
 public:
  CutWords(std::vector<std::uint64_t>& words, Steps& steps) : words_(&words), steps_(&steps) {}
  void store(std::size_t place, std::uint64_t word) {
    steps_->take();
    words_->at(place) = word;
  }

 private:
  std::vector<std::uint64_t>* words_;
  Steps* steps_;
};

// What is asked of a world.
struct Script {
  inflight::Order order = inflight::Order::in_turn;
  std::uint32_t slots = 4;
  std::uint32_t packets = 8;  // of one, two and three slots by turns where answers keep their order
  std::uint32_t batch = 3;    // packets that are taken at once, at most
  std::uint32_t begin = 0;    // the index that the ring begins at
  std::uint32_t seed = 1;     // of whatever order is left open
};

class InflightWorld {
 public:
  static constexpr std::uint32_t kWords = 3;  // of a request: packet, part, parts

  explicit InflightWorld(const Script& script)
      : script_(script),
        geometry_{script.slots, kWords, script.order},
        file_(inflight::new_file(geometry_, identity(), script.begin)),
        slots_(script.slots),
        req_prod_(script.begin),
        rsp_prod_(script.begin),
        rsp_cons_(script.begin),
        random_(script.seed) {
    for (std::uint32_t packet = 0; packet < script.packets; ++packet) {
      const std::uint32_t parts = script.order == inflight::Order::in_turn ? packet % 3 + 1 : 1;
      for (std::uint32_t part = 0; part < parts; ++part) to_post_.push_back({packet, part, parts});
    }
    effects_.resize(script.packets);
  }

  static inflight::Identity identity() {
    return {DomId{7}, 1, 2, inflight::RingKind::guest_tx, Gref{81}, EvtchnPort{19}};
  }

  // One life after the other, each of so many steps, and a last one that nobody ends.
  void live(const std::vector<std::size_t>& lives) {
    for (const std::size_t steps : lives) {
      steps_.allow(steps);
      try {
        serve();
        return;
      } catch (const Killed&) {
        ++kills_;
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    steps_.allow(SIZE_MAX);
    serve();
  }

  // Everything was answered once, after its effect; and no kill doubled more than one.
  void expect_all_is_well() {
    guest_looks();
    EXPECT_EQ(answered_.size(), to_post_.size());
    std::size_t effects = 0;
    for (const std::size_t of_one : effects_) effects += of_one;
    EXPECT_GE(effects, script_.packets);
    EXPECT_LE(effects, script_.packets + kills_) << "more than one doubled a kill";
    const auto plan = judge();
    ASSERT_TRUE(plan) << inflight::name(plan.error());
    EXPECT_TRUE(plan->pending.empty());
    EXPECT_EQ(plan->free.size(), script_.slots);
  }

  [[nodiscard]] std::size_t steps() const { return steps_.taken(); }
  [[nodiscard]] std::vector<std::uint64_t>& file() { return file_; }
  [[nodiscard]] const inflight::Geometry& geometry() const { return geometry_; }
  [[nodiscard]] inflight::RingIndexes indexes() const { return {req_prod_, rsp_prod_}; }
  [[nodiscard]] inflight::Judged judge() const {
    return inflight::judge(file_, geometry_, identity(), indexes());
  }

 private:
  struct Request {
    std::uint32_t packet, part, parts;
  };
  struct Slot {
    bool answer = false;
    Request request{};
    std::int8_t result = 0;
  };
  struct Held {
    inflight::RecordId id;
    Request request;
    bool sent;
  };
  using Array = inflight::Array<CutWords>;

  // ---- the guest

  // Takes the answers that are there, and posts what fits.
  void guest_looks() {
    for (; rsp_cons_ != rsp_prod_; ++rsp_cons_) {
      const Slot& slot = slots_[rsp_cons_ % script_.slots];
      ASSERT_TRUE(slot.answer);
      ASSERT_EQ(slot.result, result_of(slot.request.packet));
      ASSERT_GE(effects_[slot.request.packet], 1U) << "answered, and never sent";
      if (script_.order == inflight::Order::in_turn) {
        const Request& next = to_post_[answered_.size()];
        ASSERT_EQ(slot.request.packet, next.packet) << "out of turn";
        ASSERT_EQ(slot.request.part, next.part);
      }
      ASSERT_TRUE(answered_.emplace(key(slot.request), 1).second) << "answered twice";
    }
    while (posted_ < to_post_.size() && req_prod_ - rsp_cons_ + to_post_[posted_].parts <= script_.slots)
      for (std::uint32_t left = to_post_[posted_].parts; left > 0; --left)
        slots_[req_prod_++ % script_.slots] = {false, to_post_[posted_++], 0};
  }
  static std::pair<std::uint32_t, std::uint32_t> key(const Request& request) {
    return {request.packet, request.part};
  }
  static std::int8_t result_of(std::uint32_t packet) {
    return packet % 4 == 3 ? std::int8_t{-1} : std::int8_t{0};
  }

  // ---- the back end

  void serve() {
    guest_looks();
    const auto plan = judge();
    ASSERT_TRUE(plan) << inflight::name(plan.error());
    check(*plan);
    consumed_ = plan->consumed;
    Array array(CutWords(file_, steps_), geometry_, *plan);
    std::vector<Held> held;
    for (const auto& pending : plan->pending)
      held.push_back({pending.id, request_of(pending.request), pending.sent});
    for (;;) {
      guest_looks();
      if (testing::Test::HasFatalFailure()) return;
      if (held.empty() || script_.order == inflight::Order::any) take_some(array, held);
      if (held.empty()) return;
      if (script_.order == inflight::Order::in_turn)
        serve_in_turn(array, held);
      else
        serve_any(array, held);
    }
  }

  // All that was taken and not published, in its order, and of what was marked nothing again.
  void check(const inflight::Plan& plan) {
    std::erase_if(taken_, [&](const auto& taken) { return published_.contains(key(taken)); });
    ASSERT_EQ(plan.pending.size(), taken_.size()) << "lost or doubled";
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      const Request request = request_of(plan.pending[i].request);
      ASSERT_EQ(key(request), key(taken_[i])) << "at " << i;
      if (marked_.contains(key(request))) {
        ASSERT_TRUE(plan.pending[i].sent) << "would be sent again, though marked";
      }
      if (plan.pending[i].sent) {
        ASSERT_GE(effects_[request.packet], 1U) << "would never be sent";
        ASSERT_EQ(plan.pending[i].result, result_of(request.packet));
      }
    }
    ASSERT_EQ(plan.free.size() + plan.pending.size(), script_.slots);
    ASSERT_EQ(plan.consumed, rsp_prod_ + static_cast<std::uint32_t>(taken_.size()));
    ASSERT_EQ(plan.produced, rsp_prod_);
    ASSERT_EQ(static_cast<std::uint32_t>(plan.next_ticket), plan.consumed);
  }

  static Request request_of(const std::vector<std::uint32_t>& words) {
    return {words[0], words[1], words[2]};
  }

  void take_some(Array& array, std::vector<Held>& held) {
    for (std::uint32_t packets = 0; packets < script_.batch && consumed_ != req_prod_; ++packets)
      for (std::uint32_t left = slots_[consumed_ % script_.slots].request.parts; left > 0; --left) {
        const Slot& slot = slots_[consumed_++ % script_.slots];
        ASSERT_FALSE(slot.answer) << "an answer is taken for a request";
        const std::uint32_t words[kWords] = {slot.request.packet, slot.request.part, slot.request.parts};
        held.push_back({array.take(words), slot.request, false});
        taken_.push_back(slot.request);
      }
  }

  void send(Array& array, Held& head) {
    steps_.take();
    ++effects_[head.request.packet];
    if (script_.order == inflight::Order::in_turn) {
      ASSERT_GE(head.request.packet, last_effect_) << "sent out of turn";
      last_effect_ = head.request.packet;
    }
    array.sent(head.id, result_of(head.request.packet));
    head.sent = true;
    marked_.emplace(key(head.request), 1);
  }

  // A packet's parts are sent as one, whose first has the mark. After a kill a batch may begin anywhere in
  // what was taken, but not within a packet: they are answered together.
  void serve_in_turn(Array& array, std::vector<Held>& held) {
    for (std::size_t i = 0; i < held.size(); ++i) {
      if (held[i].request.part == 0 && !held[i].sent && whole(held, i)) send(array, held[i]);
      if (testing::Test::HasFatalFailure()) return;
    }
    // A packet of which not all was taken: the rest is still in the ring.
    if (!held.empty()) complete_last(array, held);
    answer(array, held, held.size());
  }
  static bool whole(const std::vector<Held>& held, std::size_t at) {
    return held.size() - at >= held[at].request.parts;
  }
  void complete_last(Array& array, std::vector<Held>& held) {
    std::size_t head = held.size() - 1 - held.back().request.part;
    const std::size_t missing = held[head].request.parts - (held.size() - head);
    if (missing == 0) return;
    for (std::size_t i = 0; i < missing; ++i) {
      const Slot& slot = slots_[consumed_++ % script_.slots];
      const std::uint32_t words[kWords] = {slot.request.packet, slot.request.part, slot.request.parts};
      held.push_back({array.take(words), slot.request, false});
      taken_.push_back(slot.request);
    }
    send(array, held[head]);
  }

  void serve_any(Array& array, std::vector<Held>& held) {
    std::ranges::shuffle(held, random_);
    const std::size_t count = 1 + random_() % held.size();
    for (std::size_t i = 0; i < count; ++i)
      if (!held[i].sent) send(array, held[i]);
    answer(array, held, 1 + random_() % count);
  }

  // The first so many of them.
  void answer(Array& array, std::vector<Held>& held, std::size_t count) {
    std::vector<inflight::Answer> batch;
    for (std::size_t i = 0; i < count; ++i) batch.push_back({held[i].id, result_of(held[i].request.packet)});
    array.commit(batch, [&] {
      std::uint32_t at = rsp_prod_;
      for (std::size_t i = 0; i < count; ++i) {
        steps_.take();
        slots_[at++ % script_.slots] = {true, held[i].request, result_of(held[i].request.packet)};
      }
      steps_.take();
      rsp_prod_ = at;
      for (std::size_t i = 0; i < count; ++i) published_.emplace(key(held[i].request), 1);
      guest_looks();
    });
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(count));
  }

  Script script_;
  inflight::Geometry geometry_;
  std::vector<std::uint64_t> file_;
  std::vector<Slot> slots_;
  std::uint32_t req_prod_, rsp_prod_, rsp_cons_;
  std::uint32_t consumed_ = 0;  // of the life that is
  std::mt19937 random_;
  Steps steps_;
  std::size_t kills_ = 0;

  // The guest's books, and the truth.
  using Keys = std::map<std::pair<std::uint32_t, std::uint32_t>, int>;
  std::vector<Request> to_post_;
  std::size_t posted_ = 0;
  Keys answered_, published_, marked_;
  std::vector<Request> taken_;  // in their order; published ones are struck off now and then
  std::vector<std::size_t> effects_;
  std::uint32_t last_effect_ = 0;
};

}  // namespace hush::test
