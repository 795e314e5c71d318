#include "dom0/vif/area_file.hpp"

#include <random>

namespace hush::dom0 {

inflight::Identity area_identity(xenstore::VifId vif, std::size_t queue,
                                 const xenstore::QueueAddress& address, std::uint64_t session) {
  // The netif rings are named, since they stay what they are for a connection; areas come and go.
  return {vif.domid,
          vif.handle,
          static_cast<std::uint32_t>(queue),
          inflight::RingKind::area,
          address.tx_ring,
          address.tx_port,
          session};
}

Result<AreaFile> make_area_file(const std::string& path, const inflight::Identity& identity,
                                const area::Seat& seat) {
  const area::Standing at{.seat = seat};
  auto file = inflight::File::create(path, area::new_standing(identity, at));
  if (!file) return file.error();
  return AreaFile{std::move(*file), at};
}

Result<AreaFile> open_area_file(const std::string& path, const inflight::Identity& identity) {
  constexpr std::size_t kBytes = area::kStandingWords * sizeof(std::uint64_t);
  auto file = inflight::File::open(path, kBytes);
  if (!file) return file.error();
  auto at = area::read_standing(file->copy(), identity);
  if (!at) return error(path + " is not used: " + at.error().text, at.error().code);
  return AreaFile{std::move(*file), *at};
}

std::uint64_t new_session() {
  std::random_device random;
  for (;;)
    if (const std::uint64_t number = random() | std::uint64_t{random()} << 32; number != 0) return number;
}

}  // namespace hush::dom0
