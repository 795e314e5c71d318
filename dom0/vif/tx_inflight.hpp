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
#include "dom0/vif/tx_resumed.hpp"

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
    if (slot < kept_.size())  // it is there; its result too, which a kill in the commit is not to change
      batch_[slot] = {kept_[slot].id, kept_[slot].result};
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
  std::string path = {};       // empty: nowhere
  bool served_before = false;  // what lies there is of a daemon that served this very connection before;
                               // otherwise of a connection that has ended
};

struct TxStart {
  ring::Position at;
  std::unique_ptr<TxInflight> inflight;  // null: nothing is kept
  TxResumed resumed;
};
// identity: of the ring whose page this is.
[[nodiscard]] TxStart start_tx(netif::TxSring& page, const TxFile& where, const inflight::Identity& identity);

}  // namespace hush::dom0
