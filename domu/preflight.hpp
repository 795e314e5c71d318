// What must be true of the guest before the front end may drive a vif.
#pragma once
#include <cstddef>
#include <string>

#include "common/result.hpp"

namespace hush::domu {

// Pages that a queue may grant at once: buffers and rings of the netif path, or an area of the length that a
// stream usually gets (1 MiB a ring) and the next one, while it moves.
[[nodiscard]] std::size_t pages_of_queue(bool area);

// gntalloc's limit on what all programs of this guest grant together: raised to so many pages, and what
// others had before, where it is lower. The limit of before and the new one; both the same: it was enough.
// Fails where it cannot be raised, saying what to do.
struct GrantLimit {
  std::size_t before = 0, now = 0;
};
Result<GrantLimit> raise_grant_limit(std::size_t pages, const std::string& sysfs = "/sys");

}  // namespace hush::domu
