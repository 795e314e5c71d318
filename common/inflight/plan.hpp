// What a file says of a ring whose back end died: pure, from its words and the ring's indexes to what is to
// be done, or to the one reason why the file is not believed. For the control path: it allocates.
#pragma once
#include <boost/system/result.hpp>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/inflight/layout.hpp"

namespace hush::inflight {

// The producer indexes of the shared ring, copied once. The peer may have written anything there.
struct RingIndexes {
  std::uint32_t req_prod = 0;
  std::uint32_t rsp_prod = 0;
};

// Why a file is not believed. What comes first in the list is looked at first.
enum class Refusal : std::uint8_t {
  wrong_size,
  not_a_file_of_ours,
  unknown_version,
  header_torn,
  spare_bytes_used,
  other_vif,
  other_queue,
  other_ring,
  other_connection,
  other_shape,
  position_torn,
  batch_torn,
  record_torn,
  unknown_state,
  indexes_impossible,
  batch_too_long,
  batch_leaves_the_array,
  batch_has_a_cycle,
  batch_ends_early,
  batch_goes_on,
  batch_of_others,
  ring_stands_elsewhere,
  batch_half_cleared,
  ticket_impossible,
  ticket_twice,
  ticket_missing,
  more_than_was_posted,
};
inline constexpr std::size_t kRefusals = static_cast<std::size_t>(Refusal::more_than_was_posted) + 1;
// For an admin: "its header is torn".
[[nodiscard]] std::string_view name(Refusal refusal);

// A request that was taken and whose answer was not published.
struct Pending {
  RecordId id = 0;
  std::uint64_t ticket = 0;  // counts what is taken; its low 32 bits are the request's index in the ring
  bool sent = false;         // only its answer is owed, `result`; otherwise its effect is to happen (again)
  std::int8_t result = 0;
  std::vector<std::uint32_t> request;  // a copy: the slot may hold an answer by now
};

// How a back end goes on.
struct Plan {
  // Where its ring end stands: what to attach with. produced is the index that the ring publishes.
  std::uint32_t consumed = 0;
  std::uint32_t produced = 0;
  // In the order in which they were taken: to be replayed in this order, and before anything new.
  std::vector<Pending> pending;

  // For Array, which puts the file in order before anything else is stored there.
  std::uint64_t next_ticket = 0;
  std::vector<RecordId> free;      // records without a request, those of `answered` among them
  std::vector<RecordId> answered;  // published and perhaps not cleared, in the order in which they are to be
  bool batch_stands = false;       // the batch word is to be cleared
};

using Judged = boost::system::result<Plan, Refusal>;

// Of the first words of a file alone: why it is not one of ours, or not of this ring; nullopt: it is.
[[nodiscard]] std::optional<Refusal> refuse_header(const HeaderWords& words, const Geometry& geometry,
                                                   const Identity& identity);

// words: of a whole file, a private copy. geometry, identity: what the caller serves.
[[nodiscard]] Judged judge(std::span<const std::uint64_t> words, const Geometry& geometry,
                           const Identity& identity, RingIndexes ring);

// For a ring of which no file tells: everything before its published index is answered. What a first attach
// begins with, and one whose file was refused.
[[nodiscard]] Plan plan_without_file(const Geometry& geometry, std::uint32_t rsp_prod);

// The words of a new file that says the same.
[[nodiscard]] std::vector<std::uint64_t> new_file(const Geometry& geometry, const Identity& identity,
                                                  std::uint32_t rsp_prod);

}  // namespace hush::inflight
