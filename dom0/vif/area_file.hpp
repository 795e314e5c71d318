// Where a queue on the area path keeps where it stands (common/area/standing.hpp), in the folder of in-flight
// files. Control thread only; the file goes to the queue.
#pragma once
#include <string>

#include "common/area/standing.hpp"
#include "common/inflight/file.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::dom0 {

struct AreaFile {
  inflight::File file;
  area::Standing at;  // what it says
};

// session: of the connection, not 0.
[[nodiscard]] inflight::Identity area_identity(xenstore::VifId vif, std::size_t queue,
                                               const xenstore::QueueAddress& address, std::uint64_t session);
// A new one, of a queue that begins in this area.
Result<AreaFile> make_area_file(const std::string& path, const inflight::Identity& identity,
                                const area::Seat& seat);
// That of the daemon before; the error says why it is not believed.
Result<AreaFile> open_area_file(const std::string& path, const inflight::Identity& identity);
// Tells connections apart; never 0.
[[nodiscard]] std::uint64_t new_session();

}  // namespace hush::dom0
