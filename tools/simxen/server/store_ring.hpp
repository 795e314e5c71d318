// A domain's end of the ring page that it shares with the store (<xen/io/xs_wire.h>).
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>

#include "tools/simxen/wire/xen_headers.hpp"

namespace hush::simxen {

class StoreRing {
 public:
  explicit StoreRing(xenstore_domain_interface* page) : page_(page) {}

  // Moves what fits from the front of the text into the ring. True when anything was moved.
  bool put(std::string& text) {
    std::atomic_ref consumer(page_->req_cons);
    std::atomic_ref producer(page_->req_prod);
    uint32_t at = producer.load(std::memory_order_relaxed);
    const uint32_t room = XENSTORE_RING_SIZE - (at - consumer.load(std::memory_order_acquire));
    const uint32_t moved = static_cast<uint32_t>(std::min<size_t>(text.size(), room));
    for (uint32_t i = 0; i < moved; ++i) page_->req[MASK_XENSTORE_IDX(at++)] = text[i];
    producer.store(at, std::memory_order_seq_cst);
    text.erase(0, moved);
    return moved != 0;
  }

  // Appends what has come. True when anything had.
  bool take(std::string& text) {
    std::atomic_ref consumer(page_->rsp_cons);
    std::atomic_ref producer(page_->rsp_prod);
    uint32_t at = consumer.load(std::memory_order_relaxed);
    const uint32_t end = producer.load(std::memory_order_acquire);
    const bool any = at != end;
    while (at != end) text.push_back(page_->rsp[MASK_XENSTORE_IDX(at++)]);
    consumer.store(at, std::memory_order_seq_cst);
    return any;
  }

 private:
  xenstore_domain_interface* page_;
};

}  // namespace hush::simxen
