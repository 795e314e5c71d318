// The in-flight array of a ring at work: which stores, and in which order, so that a back end that is killed
// between any two of them leaves a file by which the next one loses nothing (README.md says why of each).
//
//   take() -> the effect -> sent() ... commit(batch, publish)
//
// Stores and never loads: what it knows, it keeps. No allocation and no system call after the constructor.
// Not thread-safe: an array belongs to the thread of its ring's end.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "common/inflight/plan.hpp"
#include "common/step.hpp"

namespace hush::inflight {

// The words of a file. A store is one that no kill can part, and is made before any later one.
template <class T>
concept Words = requires(T words, std::size_t place, std::uint64_t word) {
  words.store(place, word);
};

// A record whose answer is to be published, and the status of that answer.
struct Answer {
  RecordId id = kNoRecord;
  std::int8_t result = 0;
};

template <Words W>
class Array {
 public:
  // Goes on where the plan says, which was made of these very words, and first puts them in order. The
  // records of plan.pending are the caller's to replay, with their ids, before it takes anything.
  Array(W words, const Geometry& geometry, const Plan& plan);

  // Before any effect of a request: a copy of it. request: as many words as the geometry says. The caller's
  // ring has no more requests without an answer than slots, so there is a record.
  [[nodiscard]] RecordId take(std::span<const std::uint32_t> request);
  // A request in no more parts than have an effect each: after the effect of this one, before the next one's.
  void sent(RecordId id, std::int8_t result);
  // From done to answered. publish() puts the answers of the batch into the ring and makes them visible, all
  // at once, in one store of the index; it does not fail. batch: each once, at least one, in any order.
  template <std::invocable Publish>
  void commit(std::span<const Answer> batch, Publish&& publish);

  [[nodiscard]] std::size_t room() const { return free_.size(); }

 private:
  void store_state(RecordId id, const RecordState& state) {
    const std::size_t place = record_at(geometry_, id) + kStateWord;
    words_.store(place, seal(pack(state), place));
  }
  void store_batch(const Batch& batch) { words_.store(kBatchAt, seal(pack(batch), kBatchAt)); }
  void store_answered() { words_.store(kAnsweredAt, seal(answered_, kAnsweredAt)); }

  W words_;
  Geometry geometry_;
  std::uint32_t answered_;
  std::uint64_t next_ticket_;
  std::vector<RecordId> free_;  // a stack: what was cleared last is in the cache
};

// What commit() would have done next. Each step may be cut off and is then found undone by the next judge().
template <Words W>
Array<W>::Array(W words, const Geometry& geometry, const Plan& plan)
    : words_(std::move(words)),
      geometry_(geometry),
      answered_(plan.produced),
      next_ticket_(plan.next_ticket),
      free_(plan.free) {
  free_.reserve(geometry.slots);
  for (std::size_t i = 0; i < plan.answered.size(); ++i)
    store_state(plan.answered[i],
                {State::free, 0, i + 1 < plan.answered.size() ? plan.answered[i + 1] : kNoRecord});
  HUSH_STEP("mend-cleared");
  if (!plan.answered.empty()) store_answered();
  HUSH_STEP("mend-counted");
  if (plan.batch_stands) store_batch({});
  HUSH_STEP("mend-done");
}

template <Words W>
RecordId Array<W>::take(std::span<const std::uint32_t> request) {
  const RecordId id = free_.back();
  free_.pop_back();
  const std::uint64_t ticket = next_ticket_++;
  const auto low = static_cast<std::uint32_t>(ticket);
  std::size_t place = record_at(geometry_, id) + kTicketWord;
  store_state(id, {State::filling, 0, kNoRecord});  // so that what is half written is not taken for torn
  HUSH_STEP("inflight-filling");
  words_.store(place, seal(low, place));
  ++place;
  words_.store(place, seal(static_cast<std::uint32_t>(ticket >> 32), place));
  for (const std::uint32_t word : request) {
    ++place;
    words_.store(place, seal(word, place, low));
  }
  HUSH_STEP("inflight-copied");
  store_state(id, {State::taken, 0, kNoRecord});  // last: from here on the request is found
  HUSH_STEP("inflight-taken");
  return id;
}

template <Words W>
void Array<W>::sent(RecordId id, std::int8_t result) {
  store_state(id, {State::sent, result, kNoRecord});
  HUSH_STEP("inflight-sent");
}

template <Words W>
template <std::invocable Publish>
void Array<W>::commit(std::span<const Answer> batch, Publish&& publish) {
  RecordId head = kNoRecord;
  for (const Answer& answer : batch) {
    store_state(answer.id, {State::answering, answer.result, head});
    head = answer.id;
  }
  HUSH_STEP("inflight-linked");
  // Behind its links, and before the publication: whoever finds the ring's index moved knows whose answers
  // moved it.
  store_batch({head, static_cast<std::uint16_t>(batch.size())});
  std::forward<Publish>(publish)();
  HUSH_STEP("inflight-published");
  // A cleared record keeps its link, so that a walk that begins anew gets past it.
  for (std::size_t i = batch.size(); i-- > 0;) {
    store_state(batch[i].id, {State::free, 0, i > 0 ? batch[i - 1].id : kNoRecord});
    free_.push_back(batch[i].id);
    HUSH_STEP("inflight-clearing");
  }
  // After the last record: until then the batch is to be found published.
  answered_ += static_cast<std::uint32_t>(batch.size());
  store_answered();
  HUSH_STEP("inflight-counted");
  // After the position, and before a record is linked anew: a batch that stands is walked.
  store_batch({});
}

}  // namespace hush::inflight
