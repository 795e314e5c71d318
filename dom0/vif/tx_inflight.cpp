#include "dom0/vif/tx_inflight.hpp"

#include <algorithm>
#include <cerrno>

namespace hush::dom0 {
namespace {

struct Found {
  inflight::File file;
  inflight::Plan plan;
};

TxResumed resumed_by(const inflight::Plan& plan) {
  TxResumed resumed{.from = TxResumed::From::file};
  resumed.taken = plan.pending.size();
  resumed.sent = static_cast<std::size_t>(std::ranges::count(plan.pending, true, &inflight::Pending::sent));
  resumed.answered = plan.answered.size();
  return resumed;
}

Result<Found> find(const std::string& path, const inflight::Identity& identity,
                   inflight::RingIndexes indexes) {
  auto file = inflight::File::open(path, kTxInflight);
  if (!file) return file.error();
  auto plan = inflight::judge(file->copy(), kTxInflight, identity, indexes);
  if (!plan) return error(path + " is not used: " + std::string(inflight::name(plan.error())), EINVAL);
  return Found{std::move(*file), std::move(*plan)};
}

}  // namespace

TxStart start_tx(netif::TxSring& page, const TxFile& where, const inflight::Identity& identity) {
  // The peer may have written anything there. Where no file says where the ring stands, everything up to the
  // last published answer is done (BACK_RING_ATTACH with rsp_prod, as Linux's netback); the next pending()
  // checks the peer's producer against it.
  const inflight::RingIndexes indexes{netif::TxFront::published_index(page),
                                      netif::TxBack::published_index(page)};
  TxStart start;
  start.at = {indexes.rsp_prod, indexes.rsp_prod};
  if (where.served_before) start.resumed.from = TxResumed::From::ring;
  if (where.path.empty()) return start;
  if (where.served_before) {
    auto found = find(where.path, identity, indexes);
    if (found) {
      start.resumed = resumed_by(found->plan);
      start.at = {found->plan.consumed, found->plan.produced};
      start.inflight = std::make_unique<TxInflight>(std::move(found->file), std::move(found->plan));
      return start;
    }
    if (found.error().code != ENOENT) {
      start.resumed.from = TxResumed::From::ring_not_file;
      start.resumed.refused = found.error().text;
    }
  }
  auto file = inflight::File::create(where.path, inflight::new_file(kTxInflight, identity, indexes.rsp_prod));
  if (!file) {
    start.resumed.not_kept = file.error().text;
    // Or the daemon after this one would believe it.
    (void)inflight::remove(where.path);
    return start;
  }
  start.inflight = std::make_unique<TxInflight>(std::move(*file),
                                                inflight::plan_without_file(kTxInflight, indexes.rsp_prod));
  return start;
}

}  // namespace hush::dom0
