#include "common/inflight/plan.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace hush::inflight {
namespace {

constexpr std::array<std::string_view, kRefusals> kNames{
    "its size is not what its ring needs",
    "it is no in-flight file",
    "its version is unknown",
    "its header is torn",
    "bytes that must be 0 are not",
    "it is of another vif",
    "it is of another queue",
    "it is of another ring",
    "it is of another connection of this vif",
    "it is of a ring of another shape",
    "its position is torn",
    "its batch is torn",
    "a record is torn",
    "a record is in an unknown state",
    "the indexes of the ring are impossible",
    "its batch is longer than the ring",
    "its batch leads out of the array",
    "its batch goes in a circle",
    "its batch ends early",
    "its batch goes on behind its end",
    "its batch has records that are not being answered",
    "the ring stands where no kill could have left it",
    "its batch is half cleared, but was never published",
    "a ticket is higher than any that is ever reached",
    "two records have one ticket",
    "a ticket is missing",
    "it has more requests than the ring",
};

struct Record {
  RecordState state;
  std::uint64_t ticket = 0;
  std::vector<std::uint32_t> request;
};

// What a file says, each word sound by itself.
struct Content {
  std::uint32_t answered = 0;
  Batch batch;
  std::vector<Record> records;
};

using Words = std::span<const std::uint64_t>;
template <class T>
using Read = boost::system::result<T, Refusal>;

bool all_zero(Words words) {
  return std::ranges::all_of(words, [](std::uint64_t word) { return word == 0; });
}

Read<Record> read_record(Words words, const Geometry& geometry, RecordId id) {
  const std::size_t at = record_at(geometry, id);
  const auto state = unseal(words[at + kStateWord], at + kStateWord);
  if (!state) return Refusal::record_torn;
  const auto known = unpack_state(*state);
  if (!known) return Refusal::unknown_state;
  const std::size_t used = kRequestWord + geometry.request_words;
  if (!all_zero(words.subspan(at + used, geometry.stride() - used))) return Refusal::spare_bytes_used;
  Record record{*known, 0, {}};
  // The rest was being written when the back end died: nothing in it is used, nor has to be whole.
  if (record.state.state == State::filling) return record;
  const std::size_t ticket_at = at + kTicketWord;
  const auto low = unseal(words[ticket_at], ticket_at);
  const auto high = unseal(words[ticket_at + 1], ticket_at + 1);
  if (!low || !high) return Refusal::record_torn;
  record.ticket = *low | std::uint64_t{*high} << 32;
  for (std::size_t i = at + kRequestWord; i < at + used; ++i) {
    const auto word = unseal(words[i], i, *low);
    if (!word) return Refusal::record_torn;
    record.request.push_back(*word);
  }
  return record;
}

Read<Content> read_content(Words words, const Geometry& geometry) {
  Content content;
  const auto answered = unseal(words[kAnsweredAt], kAnsweredAt);
  if (!answered) return Refusal::position_torn;
  content.answered = *answered;
  const auto batch = unseal(words[kBatchAt], kBatchAt);
  if (!batch) return Refusal::batch_torn;
  content.batch = unpack_batch(*batch);
  if (!all_zero(words.subspan(kAnsweredAt + 1, kBatchAt - kAnsweredAt - 1)) ||
      !all_zero(words.subspan(kBatchAt + 1, kRecordsAt - kBatchAt - 1)))
    return Refusal::spare_bytes_used;
  content.records.reserve(geometry.slots);
  for (std::uint32_t id = 0; id < geometry.slots; ++id) {
    auto record = read_record(words, geometry, static_cast<RecordId>(id));
    if (!record) return record.error();
    content.records.push_back(std::move(*record));
  }
  return content;
}

// The records of the batch that was being published, the last one first. Bounded by the number of records,
// whatever the links say.
Read<std::vector<RecordId>> walk(const Content& content) {
  const std::size_t slots = content.records.size();
  if (content.batch.count > slots) return Refusal::batch_too_long;
  std::vector<RecordId> list;
  std::vector<bool> seen(slots);
  RecordId id = content.batch.head;
  for (std::size_t i = 0; i < content.batch.count; ++i) {
    if (id == kNoRecord) return Refusal::batch_ends_early;
    if (id >= slots) return Refusal::batch_leaves_the_array;
    if (seen[id]) return Refusal::batch_has_a_cycle;
    seen[id] = true;
    const State state = content.records[id].state.state;
    if (state != State::answering && state != State::free) return Refusal::batch_of_others;
    list.push_back(id);
    id = content.records[id].state.next;
  }
  if (id != kNoRecord) return Refusal::batch_goes_on;
  return list;
}

// Was the batch published? The ring's index says so, and may be nothing else than what a kill leaves: where
// the file knew it, or at the end of the batch.
Read<bool> was_published(const Content& content, const std::vector<RecordId>& batch, std::uint32_t rsp_prod) {
  const auto cleared = static_cast<std::size_t>(std::ranges::count_if(
      batch, [&](RecordId id) { return content.records[id].state.state == State::free; }));
  if (rsp_prod == content.answered) {
    // All cleared: the position was stored too, and only the batch word was left to do.
    if (cleared != 0 && cleared != batch.size()) return Refusal::batch_half_cleared;
    return false;
  }
  if (batch.empty() || rsp_prod - content.answered != batch.size()) return Refusal::ring_stands_elsewhere;
  return true;
}

std::optional<Refusal> refuse_tickets(const std::vector<Pending>& pending, Order order,
                                      std::uint32_t produced) {
  // Half of what can be counted, so that counting on never comes round.
  if (!pending.empty() && pending.back().ticket >> 63 != 0) return Refusal::ticket_impossible;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (i > 0 && pending[i].ticket == pending[i - 1].ticket) return Refusal::ticket_twice;
    const std::uint32_t in_turn = produced + static_cast<std::uint32_t>(i);
    if (order == Order::in_turn && static_cast<std::uint32_t>(pending[i].ticket) != in_turn)
      return Refusal::ticket_missing;
  }
  return std::nullopt;
}

// The first ticket above all that are in use whose low half is the index.
std::uint64_t ticket_for(std::uint32_t index, const std::vector<Pending>& pending) {
  const std::uint64_t least = pending.empty() ? 0 : pending.back().ticket + 1;
  const std::uint64_t same_half = (least & ~std::uint64_t{UINT32_MAX}) | index;
  return same_half >= least ? same_half : same_half + (std::uint64_t{1} << 32);
}

}  // namespace

std::string_view name(Refusal refusal) {
  return kNames[static_cast<std::size_t>(refusal)];
}

std::optional<Refusal> refuse_header(const HeaderWords& words, const Geometry& geometry,
                                     const Identity& identity) {
  const auto header = std::bit_cast<Header>(words);
  if (header.magic != kMagic) return Refusal::not_a_file_of_ours;
  // Before the checksum, whose place only this version knows.
  if (header.version != kVersion) return Refusal::unknown_version;
  if (header.checksum != checksum_of(header)) return Refusal::header_torn;
  if (std::ranges::any_of(header.reserved, [](std::uint32_t word) { return word != 0; }))
    return Refusal::spare_bytes_used;
  const Header wanted = header_of(geometry, identity);
  if (header.peer != wanted.peer || header.handle != wanted.handle) return Refusal::other_vif;
  if (header.queue != wanted.queue) return Refusal::other_queue;
  if (header.ring != wanted.ring) return Refusal::other_ring;
  if (header.ring_ref != wanted.ring_ref || header.port != wanted.port ||
      header.session_low != wanted.session_low || header.session_high != wanted.session_high)
    return Refusal::other_connection;
  if (header.slots != wanted.slots || header.request_words != wanted.request_words ||
      header.order != wanted.order)
    return Refusal::other_shape;
  return std::nullopt;
}

Judged judge(std::span<const std::uint64_t> words, const Geometry& geometry, const Identity& identity,
             RingIndexes ring) {
  if (words.size() != words_of(geometry)) return Refusal::wrong_size;
  HeaderWords header;
  std::ranges::copy(words.first(header.size()), header.begin());
  if (const auto refusal = refuse_header(header, geometry, identity)) return *refusal;
  auto content = read_content(words, geometry);
  if (!content) return content.error();
  const std::uint32_t posted = ring.req_prod - ring.rsp_prod;
  if (posted > geometry.slots) return Refusal::indexes_impossible;
  auto batch = walk(*content);
  if (!batch) return batch.error();
  const auto published = was_published(*content, *batch, ring.rsp_prod);
  if (!published) return published.error();

  Plan plan;
  plan.produced = ring.rsp_prod;
  plan.batch_stands = content->batch.count != 0;
  if (*published) {
    for (const RecordId id : *batch) content->records[id].state.state = State::free;
    plan.answered = std::move(*batch);
  }
  for (std::size_t id = 0; id < content->records.size(); ++id) {
    Record& record = content->records[id];
    const auto here = static_cast<RecordId>(id);
    const State state = record.state.state;
    if (state == State::free || state == State::filling)
      plan.free.push_back(here);
    else
      plan.pending.push_back(
          {here, record.ticket, state != State::taken, record.state.result, std::move(record.request)});
  }
  std::ranges::sort(plan.pending, {}, &Pending::ticket);
  if (const auto refusal = refuse_tickets(plan.pending, geometry.order, plan.produced)) return *refusal;
  if (plan.pending.size() > posted) return Refusal::more_than_was_posted;
  plan.consumed = plan.produced + static_cast<std::uint32_t>(plan.pending.size());
  plan.next_ticket = ticket_for(plan.consumed, plan.pending);
  return plan;
}

Plan plan_without_file(const Geometry& geometry, std::uint32_t rsp_prod) {
  Plan plan;
  plan.consumed = plan.produced = rsp_prod;
  plan.next_ticket = rsp_prod;
  plan.free.resize(geometry.slots);
  std::iota(plan.free.begin(), plan.free.end(), RecordId{0});
  return plan;
}

std::vector<std::uint64_t> new_file(const Geometry& geometry, const Identity& identity,
                                    std::uint32_t rsp_prod) {
  std::vector<std::uint64_t> words(words_of(geometry));
  const auto header = to_words(header_of(geometry, identity));
  std::ranges::copy(header, words.begin());
  words[kAnsweredAt] = seal(rsp_prod, kAnsweredAt);
  words[kBatchAt] = seal(pack(Batch{}), kBatchAt);
  for (std::uint32_t id = 0; id < geometry.slots; ++id) {
    const std::size_t at = record_at(geometry, static_cast<RecordId>(id));
    words[at + kStateWord] = seal(pack(RecordState{}), at + kStateWord);
    for (std::size_t i = at + kTicketWord; i < at + kRequestWord + geometry.request_words; ++i)
      words[i] = seal(0, i);
  }
  return words;
}

}  // namespace hush::inflight
