// Fields of a vif's directories that both ends read or write: for the sources of vif_config.hpp alone.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "xenstore/keys.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::xenstore {

inline constexpr std::uint32_t kMaxMtu = 65535 - 14;

// The beginning of a peer's text, for the log, the store and terminals: it may hold anything, so only what
// prints is kept.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t most = 32);
[[nodiscard]] std::string at(const std::string& directory, const char* key);
// A flag is on for "1" alone: what else a peer writes means off.
Result<bool> read_flag(const View& view, const std::string& directory, const char* key);
// A number that must be there, low to high; the error names the key.
Result<std::uint32_t> read_required(const View& view, const std::string& directory, const char* key,
                                    std::uint32_t low, std::uint32_t high);
Result<Features> read_features(const View& view, const std::string& directory);
Result<void> write_common_features(const View& view, const std::string& directory, const Features& features);
// The directory of one queue's keys: the front end's own where there is only one.
[[nodiscard]] std::string queue_directory(const std::string& frontend, std::uint32_t queue,
                                          std::size_t queues);

// Writes in a device's directory, in one transaction, unless the toolstack has removed that: a device without
// a state is gone.
template <class Write>
Result<void> write_if_there(Client& client, const std::string& directory, Write write) {
  return client.transact([&](View& view) -> Result<void> {
    auto now = view.read(at(directory, key::kState));
    if (!now) return now.error();
    return *now ? write(view) : Result<void>();
  });
}

}  // namespace hush::xenstore
