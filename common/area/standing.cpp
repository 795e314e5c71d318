#include "common/area/standing.hpp"

#include <algorithm>
#include <string>

namespace hush::area {
namespace {

using inflight::seal, inflight::unseal;

// All words behind the header, opened; empty: one of them is torn, or a spare one is used.
std::optional<std::array<std::uint32_t, kStandingWords>> open(std::span<const std::uint64_t> words) {
  std::array<std::uint32_t, kStandingWords> opened{};
  for (std::size_t i = kPlaceAt; i < kStandingWords; ++i) {
    const auto value = unseal(words[i], i);
    if (!value) return std::nullopt;
    opened[i] = *value;
  }
  for (std::uint32_t slot = 0; slot < 2; ++slot)
    if (opened[kSeatsAt + (slot + 1) * kSeatWords - 1] != 0) return std::nullopt;
  return opened;
}

Seat unpack_seat(std::span<const std::uint32_t> words) {
  return {.header_page = Gref{words[0]},
          .pages = words[1],
          .generation = words[2],
          .rings = {words[3], words[4]},
          .guest_tx_max_frame = words[5],
          .guest_rx_max_frame = words[6]};
}

// Could an area like this have been mapped?
bool is_sound(const Seat& seat) {
  return seat.header_page.value >= kFirstGref && seat.generation != 0 &&
         is_ring_length(seat.rings.guest_tx) && is_ring_length(seat.rings.guest_rx);
}
bool is_position(std::uint32_t position) {
  return position % kRecordBytes == 0;
}

}  // namespace

Seat seat_of(Gref header_page, const Header& header) {
  return {.header_page = header_page,
          .pages = header.pages,
          .generation = header.generation,
          .rings = sizes_of(header),
          .guest_tx_max_frame = header.guest_tx_max_frame,
          .guest_rx_max_frame = header.guest_rx_max_frame};
}

std::optional<std::string_view> refusal_to_resume(const Header& header, const Seat& seat) {
  if (seat_of(seat.header_page, header) != seat) return "its header is not what it was";
  return std::nullopt;
}

std::array<std::uint32_t, kSeatWords - 1> pack(const Seat& seat) {
  return {seat.header_page.value, seat.pages,          seat.generation,
          seat.rings.guest_tx,    seat.rings.guest_rx, seat.guest_tx_max_frame,
          seat.guest_rx_max_frame};
}

Result<Standing> read_standing(std::span<const std::uint64_t> words, const inflight::Identity& identity) {
  if (words.size() != kStandingWords) return error(std::string(name(inflight::Refusal::wrong_size)), EINVAL);
  inflight::HeaderWords header;
  std::ranges::copy(words.first(header.size()), header.begin());
  if (const auto refusal = refuse_header(header, kStandingShape, identity))
    return error(std::string(name(*refusal)), EINVAL);
  const auto opened = open(words);
  if (!opened) return error("a word of it is torn", EINVAL);
  const auto& said = *opened;

  Standing standing;
  standing.slot = said[kPlaceAt] & 0xff;
  const std::uint32_t step = said[kPlaceAt] >> 8;
  if (standing.slot > 1 || step < static_cast<std::uint32_t>(Standing::Step::alone) ||
      step > static_cast<std::uint32_t>(Standing::Step::left))
    return error("it stands where no area is", EINVAL);
  standing.step = static_cast<Standing::Step>(step);
  const std::uint32_t other = 1 - standing.slot;
  const auto seat_at = [&](std::uint32_t slot) {
    return unpack_seat(std::span(said).subspan(kSeatsAt + slot * kSeatWords, kSeatWords));
  };
  standing.seat = seat_at(standing.slot);
  standing.consumed = said[kConsumedAt + standing.slot];
  standing.produced = said[kProducedAt + standing.slot];
  standing.sleeps = {said[kModeAt], said[kRoomAt]};
  standing.advices = said[kAdvicesAt];
  if (!is_sound(standing.seat)) return error("it names no area", EINVAL);
  if (!is_position(standing.consumed) || !is_position(standing.produced))
    return error("it has a position inside a record", EINVAL);
  if (standing.step == Standing::Step::alone) return standing;
  standing.other = seat_at(other);
  if (!is_sound(standing.other) ||
      (standing.step == Standing::Step::staged) != (standing.other.generation > standing.seat.generation))
    return error("it names no other area", EINVAL);
  if (standing.step == Standing::Step::left) standing.other_produced = said[kProducedAt + other];
  if (!is_position(standing.other_produced)) return error("it has a position inside a record", EINVAL);
  return standing;
}

std::vector<std::uint64_t> new_standing(const inflight::Identity& identity, const Standing& at) {
  std::vector<std::uint64_t> words(kStandingWords);
  std::array<std::uint32_t, kStandingWords> says{};
  const std::uint32_t other = 1 - at.slot;
  says[kPlaceAt] = pack_place(at.slot, at.step);
  says[kModeAt] = at.sleeps.in;
  says[kRoomAt] = at.sleeps.out;
  says[kAdvicesAt] = at.advices;
  says[kConsumedAt + at.slot] = at.consumed;
  says[kProducedAt + at.slot] = at.produced;
  says[kProducedAt + other] = at.other_produced;
  std::ranges::copy(pack(at.seat), says.begin() + kSeatsAt + at.slot * kSeatWords);
  std::ranges::copy(pack(at.other), says.begin() + kSeatsAt + other * kSeatWords);
  for (std::size_t i = kPlaceAt; i < kStandingWords; ++i) words[i] = seal(says[i], i);
  std::ranges::copy(to_words(header_of(kStandingShape, identity)), words.begin());
  return words;
}

}  // namespace hush::area
