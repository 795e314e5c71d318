// The keys by which the area of a queue gives way to another (common/area/README.md, section 10), as values.
// Like vif_config.hpp: what a peer says is checked here, and an error names the key.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::xenstore {

// A queue's directory, of either end: where several queues are, queue-N/ below it.
[[nodiscard]] std::string queue_path(const std::string& directory, std::size_t queue, std::size_t queues);

// Rings that the back end advises. number: of the advice, not 0, one more each time on a connection.
struct AreaTarget {
  std::uint32_t number = 0;
  area::Sizes rings;
  bool operator==(const AreaTarget&) const = default;
};
// The area that the front end would go on in.
struct AreaOffer {
  std::uint32_t generation = 0;
  AreaAddress address;
};
// What an end says to a number (of an advice, of a generation) that it was told.
struct AreaReply {
  std::uint32_t number = 0;
  std::string refused = {};  // why not; empty: yes
};

// Back-end side. directory: of the queue in its own directory; vif: whose directory must be there still.
Result<void> write_area_target(Client& client, VifId vif, const std::string& directory,
                               const AreaTarget& target);
Result<void> remove_area_target(Client& client, VifId vif, const std::string& directory);
Result<void> write_area_reply(Client& client, VifId vif, const std::string& directory,
                              const AreaReply& reply);
// nullopt: there is none. directory: of the queue in the front end's.
Result<std::optional<AreaOffer>> read_area_offer(const View& view, const std::string& directory);
// What it said to an advice; nullopt: nothing.
Result<std::optional<AreaReply>> read_area_declined(const View& view, const std::string& directory);
// What the front end offers next, and what it declined: to watch them.
[[nodiscard]] std::string area_offer_path(const std::string& directory);
[[nodiscard]] std::string area_declined_path(const std::string& directory);

// Front-end side. backend: path of the back end's directory. Rings for the first areas; nullopt: none that
// make sense are advised.
[[nodiscard]] std::optional<area::Sizes> read_area_first(const View& view, const std::string& backend);
// directory: of the queue in the back end's.
Result<std::optional<AreaTarget>> read_area_target(const View& view, const std::string& directory);
Result<std::optional<AreaReply>> read_area_reply(const View& view, const std::string& directory);
[[nodiscard]] std::string area_target_path(const std::string& directory);
[[nodiscard]] std::string area_reply_path(const std::string& directory);
// directory: of the queue in the front end's own; device: that, where there is one queue.
Result<void> write_area_offer(Client& client, const std::string& device, const std::string& directory,
                              const AreaOffer& offer);
Result<void> withdraw_area_offer(Client& client, const std::string& device, const std::string& directory);
Result<void> write_area_declined(Client& client, const std::string& device, const std::string& directory,
                                 const AreaReply& why);
// The offer has become the area in use.
Result<void> settle_area_offer(Client& client, const std::string& device, const std::string& directory,
                               const AreaAddress& address);

}  // namespace hush::xenstore
