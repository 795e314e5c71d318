#include "common/netif/hash_state.hpp"

#include <algorithm>

namespace hush::netif {

CtrlBytes HashState::wants(const CtrlRequest& request) const {
  const auto& [gref, length, offset] = request.data;
  if (request.type == ctrl::kSetHashKey && length <= Toeplitz::kMaxKey) return {gref, length};
  if (request.type == ctrl::kSetHashMapping && fits_mapping(length, offset))
    return {gref, length * sizeof(std::uint32_t)};
  return {};
}

CtrlResponse HashState::handle(const CtrlRequest& request, Bytes bytes) {
  const auto [status, data] = [&]() -> Answer {
    switch (request.type) {
      case ctrl::kSetHashAlgorithm:
        return set_algorithm(request.data[0]);
      case ctrl::kGetHashFlags:
        return get_flags();
      case ctrl::kSetHashFlags:
        return set_flags(request.data[0]);
      case ctrl::kSetHashKey:
        return set_key(request.data[1], bytes);
      case ctrl::kGetHashMappingSize:
        return {ctrl_status::kSuccess, kMaxHashMapping};
      case ctrl::kSetHashMappingSize:
        return set_mapping_size(request.data[0]);
      case ctrl::kSetHashMapping:
        return set_mapping(request.data[1], request.data[2], bytes);
      default:  // the gref mappings 8 to 10 as well: Linux's netback has none either
        return {ctrl_status::kNotSupported};
    }
  }();
  return {request.id, request.type, status, data};
}

std::uint32_t HashState::queue_of(std::uint32_t hash) const {
  return mapping_size_ == 0 ? hash % queues_ : mapping_[hash % mapping_size_];
}

HashState::Answer HashState::set_algorithm(std::uint32_t algorithm) {
  if (algorithm != hash_algorithm::kNone && algorithm != hash_algorithm::kToeplitz)
    return {ctrl_status::kInvalidParameter};
  algorithm_ = algorithm;
  return {ctrl_status::kSuccess};
}

HashState::Answer HashState::get_flags() const {
  if (algorithm_ == hash_algorithm::kNone) return {ctrl_status::kNotSupported};
  return {ctrl_status::kSuccess, hash_type::kAll};
}

HashState::Answer HashState::set_flags(std::uint32_t flags) {
  if (flags & ~hash_type::kAll || algorithm_ == hash_algorithm::kNone)
    return {ctrl_status::kInvalidParameter};
  flags_ = flags;
  return {ctrl_status::kSuccess};
}

// The header would say BUFFER_OVERFLOW for a key that is too long; drivers were written against Linux.
HashState::Answer HashState::set_key(std::uint32_t length, Bytes bytes) {
  if (length > Toeplitz::kMaxKey || !bytes || bytes->size() != length)
    return {ctrl_status::kInvalidParameter};
  toeplitz_.set_key(*bytes);
  return {ctrl_status::kSuccess};
}

HashState::Answer HashState::set_mapping_size(std::uint32_t size) {
  if (size > kMaxHashMapping) return {ctrl_status::kInvalidParameter};
  mapping_size_ = size;
  mapping_.fill(0);
  return {ctrl_status::kSuccess};
}

// Each number is the guest's: added in 64 bits, since in 32 offset + length may wrap to something small
// (XSA-270).
bool HashState::fits_mapping(std::uint32_t length, std::uint32_t offset) const {
  return std::uint64_t{offset} + length <= mapping_size_;
}

HashState::Answer HashState::set_mapping(std::uint32_t length, std::uint32_t offset, Bytes bytes) {
  if (!fits_mapping(length, offset) || !bytes || bytes->size() != length * sizeof(std::uint32_t))
    return {ctrl_status::kInvalidParameter};
  std::array<std::uint32_t, kMaxHashMapping> entries{};
  std::copy(bytes->begin(), bytes->end(), std::as_writable_bytes(std::span(entries)).begin());
  for (std::uint32_t i = 0; i < length; ++i)
    if (entries[i] >= queues_) return {ctrl_status::kInvalidParameter};
  std::copy_n(entries.begin(), length, mapping_.begin() + offset);
  return {ctrl_status::kSuccess};
}

}  // namespace hush::netif
