// What a guest has asked for over its control ring: how the frames towards it are hashed, and which of its
// queues a hash means. Requests and statuses are those of <xen/io/netif.h> ("Control messages"); limits, and
// what is answered where the header leaves it open, are those of Linux's netback (xen-netback/hash.c).
//
// A request is handled in two steps, so that nothing here touches a guest's page: wants() says which bytes
// the request is about, the caller copies them, handle() checks and takes them. Not thread-safe.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/netif/toeplitz.hpp"
#include "common/netif/wire.hpp"

namespace hush::netif {

// Entries of the table that maps a hash to a queue (XEN_NETBK_MAX_HASH_MAPPING_SIZE).
inline constexpr std::size_t kMaxHashMapping = 128;

// The front of a page that the guest granted. bytes is at most kPageSize; 0: nothing is wanted.
struct CtrlBytes {
  std::uint32_t gref = 0;
  std::size_t bytes = 0;
  bool operator==(const CtrlBytes&) const = default;
};

class HashState {
 public:
  // queues: that the vif has; a mapping may name no other.
  explicit HashState(std::uint32_t queues) : queues_(queues) {}

  // What the request needs of the guest's memory; nothing where it is refused anyway.
  [[nodiscard]] CtrlBytes wants(const CtrlRequest& request) const;
  // bytes: what wants() asked for; nullopt where the copy failed. A refused request changes nothing.
  [[nodiscard]] CtrlResponse handle(const CtrlRequest& request,
                                    std::optional<std::span<const std::byte>> bytes);

  // An algorithm is chosen and hashes something. Otherwise frames go where they came from.
  [[nodiscard]] bool on() const { return algorithm_ == hash_algorithm::kToeplitz && flags_ != 0; }
  [[nodiscard]] bool hashes(std::uint8_t type) const { return flags_ & 1U << type; }  // of hash_type
  [[nodiscard]] std::uint32_t hash(std::span<const std::byte> input) const { return toeplitz_(input); }
  // Where a frame with this hash goes: below queues. A frame that has no hash counts as 0.
  [[nodiscard]] std::uint32_t queue_of(std::uint32_t hash) const;

 private:
  struct Answer {
    std::uint32_t status;
    std::uint32_t data = 0;
  };
  using Bytes = std::optional<std::span<const std::byte>>;
  Answer set_algorithm(std::uint32_t algorithm);
  [[nodiscard]] Answer get_flags() const;
  Answer set_flags(std::uint32_t flags);
  Answer set_key(std::uint32_t length, Bytes bytes);
  Answer set_mapping_size(std::uint32_t size);
  Answer set_mapping(std::uint32_t length, std::uint32_t offset, Bytes bytes);
  [[nodiscard]] bool fits_mapping(std::uint32_t length, std::uint32_t offset) const;

  std::uint32_t queues_;
  std::uint32_t algorithm_ = hash_algorithm::kNone;
  std::uint32_t flags_ = 0;
  Toeplitz toeplitz_;
  std::uint32_t mapping_size_ = 0;  // 0: hash modulo queues
  std::array<std::uint32_t, kMaxHashMapping> mapping_{};
};

}  // namespace hush::netif
