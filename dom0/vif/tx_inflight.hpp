// The requests of a guest_tx ring that are in progress, kept in a file for the daemon after this one
// (common/inflight). Lives with its queue, on its data thread.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/inflight/file.hpp"
#include "common/netif/wire.hpp"
#include "common/ring/ring.hpp"

namespace hush::dom0 {

inline constexpr inflight::Geometry kTxInflight{netif::kSlots, sizeof(netif::TxRequest) / 4,
                                                inflight::Order::in_turn};

class TxInflight {
 public:
  // plan: made of this very file.
  TxInflight(inflight::File file, inflight::Plan plan)
      : file_(std::move(file)), array_(file_.words(), kTxInflight, plan), kept_(std::move(plan.pending)) {}

  // Requests that the daemon before this one took and did not answer: the first slots of the first batch, in
  // this order. None once a batch was answered.
  [[nodiscard]] std::size_t kept() const { return kept_.size(); }
  [[nodiscard]] netif::TxRequest kept(std::size_t slot) const {
    std::array<std::uint32_t, sizeof(netif::TxRequest) / 4> words;
    std::copy_n(kept_[slot].request.begin(), words.size(), words.begin());
    return std::bit_cast<netif::TxRequest>(words);
  }
  // Of the first slot of a packet, where that daemon knew what came of it: the status of its answer.
  [[nodiscard]] std::optional<std::int16_t> known(std::size_t slot) const {
    if (slot >= kept_.size() || !kept_[slot].sent) return std::nullopt;
    return kept_[slot].result;
  }

  // A batch: each of its slots in order, before any packet of it is sent.
  void take(std::size_t slot, const netif::TxRequest& request) {
    if (slot < kept_.size())
      batch_[slot] = {kept_[slot].id, 0};
    else
      batch_[slot] = {array_.take(std::bit_cast<std::array<std::uint32_t, 3>>(request)), 0};
  }
  // What came of the packet that begins there: at once, before the next one is sent.
  void sent(std::size_t slot, std::int16_t status) {
    batch_[slot].result = static_cast<std::int8_t>(status);
    array_.sent(batch_[slot].id, batch_[slot].result);
  }
  // publish: puts the answers of the batch's slots and publishes them.
  template <class Publish>
  void commit(std::size_t slots, Publish&& publish) {
    array_.commit(std::span(batch_).first(slots), std::forward<Publish>(publish));
    kept_.clear();
  }

 private:
  inflight::File file_;
  inflight::Array<inflight::MappedWords> array_;
  std::vector<inflight::Pending> kept_;
  std::array<inflight::Answer, netif::kSlots> batch_;
};

// Where a queue keeps them.
struct TxFile {
  std::string path;         // empty: nowhere
  bool taken_over = false;  // a file is expected there, of the daemon that served this connection before;
                            // otherwise whatever lies there is of a connection that ended
};

// What came of it, for the log and the counters.
struct TxResumed {
  std::string refused;         // why the file of the daemon before was not used; empty: it was, or none is expected
  std::string not_kept;        // why nothing is kept for the daemon after this one; empty: it is
  std::size_t to_answer = 0;   // requests that were sent and not answered
  std::size_t in_doubt = 0;    // requests that were taken, and of which nobody knows whether they were sent
};

struct TxStart {
  ring::Position at;
  std::unique_ptr<TxInflight> inflight;  // null: nothing is kept
  TxResumed resumed;
};
[[nodiscard]] TxStart start_tx(netif::TxSring& page, const TxFile& where, const inflight::Identity& identity);

}  // namespace hush::dom0
