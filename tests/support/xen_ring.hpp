// Xen's own ring, by the macros of <xen/io/ring.h>: the oracle for common/ring, and a stock peer for tests.
// Single-threaded use only: the macros are plain accesses.
#pragma once
#include <xen/io/netif.h>

#include <atomic>
#include <cstdint>
#include <cstring>

// What ring.h's barriers are, in a program (it maps xen_mb() to mb() and so on, which it leaves to us).
#define mb() std::atomic_thread_fence(std::memory_order_seq_cst)
#define wmb() std::atomic_thread_fence(std::memory_order_release)

namespace hush::test {

inline constexpr std::size_t kXenPage = 4096;

// A page as a peer would share it: aligned, and full of rubbish until somebody initialises it.
struct alignas(kXenPage) RingPage {
  unsigned char bytes[kXenPage];
  RingPage() { std::memset(bytes, 0xab, sizeof bytes); }
};

class XenTxFront {
 public:
  // Initialises the page, as netfront does.
  static XenTxFront create(RingPage& page) {
    XenTxFront front(page);
    XEN_FRONT_RING_INIT(&front.ring_, front.ring_.sring, kXenPage);
    return front;
  }
  static XenTxFront attach(RingPage& page, std::uint32_t consumed, std::uint32_t produced) {
    XenTxFront front(page);
    FRONT_RING_ATTACH(&front.ring_, front.ring_.sring, produced, kXenPage);
    front.ring_.rsp_cons = consumed;
    return front;
  }
  std::uint32_t room() const { return RING_FREE_REQUESTS(&ring_); }
  void put(const netif_tx_request& request) { *RING_GET_REQUEST(&ring_, ring_.req_prod_pvt++) = request; }
  bool publish() {
    bool notify = false;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring_, notify);
    return notify;
  }
  std::uint32_t pending() const { return XEN_RING_NR_UNCONSUMED_RESPONSES(&ring_); }
  netif_tx_response take() { return *RING_GET_RESPONSE(&ring_, ring_.rsp_cons++); }
  bool final_check() {
    bool work = false;
    RING_FINAL_CHECK_FOR_RESPONSES(&ring_, work);
    return work;
  }
  netif_tx_sring& shared() { return *ring_.sring; }

 private:
  explicit XenTxFront(RingPage& page) {
    ring_.sring = reinterpret_cast<netif_tx_sring*>(page.bytes);
    ring_.nr_ents = static_cast<unsigned>(__RING_SIZE(ring_.sring, kXenPage));
  }
  netif_tx_front_ring ring_{};
};

class XenTxBack {
 public:
  static XenTxBack attach(RingPage& page, std::uint32_t consumed, std::uint32_t produced) {
    XenTxBack back;
    back.ring_.sring = reinterpret_cast<netif_tx_sring*>(page.bytes);
    BACK_RING_ATTACH(&back.ring_, back.ring_.sring, produced, kXenPage);
    back.ring_.req_cons = consumed;
    return back;
  }
  std::uint32_t pending() const { return XEN_RING_NR_UNCONSUMED_REQUESTS(&ring_); }
  netif_tx_request take() { return *RING_GET_REQUEST(&ring_, ring_.req_cons++); }
  std::uint32_t owed() const { return ring_.req_cons - ring_.rsp_prod_pvt; }
  void put(const netif_tx_response& response) { *RING_GET_RESPONSE(&ring_, ring_.rsp_prod_pvt++) = response; }
  bool publish() {
    bool notify = false;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring_, notify);
    return notify;
  }
  bool final_check() {
    bool work = false;
    RING_FINAL_CHECK_FOR_REQUESTS(&ring_, work);
    return work;
  }
  netif_tx_sring& shared() { return *ring_.sring; }

 private:
  netif_tx_back_ring ring_{};
};

}  // namespace hush::test
