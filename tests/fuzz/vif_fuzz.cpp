// The whole packet path of a vif with a guest and a kernel that do anything in any order: words and slots of
// both rings, grants that go or fail, frames of any kind in the TAP, passes of either direction. Every pass
// is bounded, no segment leaves its page, nothing is written outside our memory (ASan).
#include "tests/fuzz/input.hpp"
#include "tests/support/back_rig.hpp"

namespace {

using namespace hush;
using fuzz::Input, fuzz::require;
using test::BackRig;
constexpr auto kOrder = std::memory_order_seq_cst;
constexpr std::uint32_t kPages = 6;  // of frames: grefs 1 on; some are read-only, and further ones are none

class Play {
 public:
  Play(Input input, const xenstore::Features& features) : in_(input), rig_(features) {
    for (std::uint32_t i = 1; i < kPages; ++i) (void)rig_.xen.grant(i % 2 == 0);
  }

  void run() {
    // Bounded: an input of moves that cost nothing is of no interest.
    for (int moves = 0; !in_.empty() && moves < 300; ++moves) move(in_.byte());
    pass_tx();
    pass_rx();
    require(rig_.xen.bad_segments() == 0);
  }

 private:
  void move(std::uint8_t what) {
    switch (what % 10) {
      case 0:
        return write_word(rig_.tx_page(), tx_prod_);
      case 1:
        return write_word(rig_.rx_page(), rx_prod_);
      case 2:
      case 3:
        return send();
      case 4:
        return post();
      case 5:
        return give();
      case 6:
        return trouble();
      case 7:
      case 8:
        return pass_tx();
      default:
        return pass_rx();
    }
  }
  template <class Page>
  void write_word(Page& page, std::uint32_t near) {
    shm::SharedWord* const words[] = {&page.req_prod, &page.req_event, &page.rsp_prod, &page.rsp_event};
    auto* word = words[in_.byte() % 4];
    const std::uint8_t how = in_.byte();
    word->store(how < 192 ? near + how - 16 : in_.number(), kOrder);
  }
  std::uint32_t gref() {
    const std::uint8_t pick = in_.byte();
    return pick < 250 ? 1 + pick % (kPages + 4) : in_.number();
  }
  // Requests in a row; a chain is as likely as single packets.
  void send() {
    for (int left = in_.byte() % 24; left >= 0; --left) {
      netif::TxRequest request{gref(), static_cast<std::uint16_t>(in_.byte() * 17), in_.byte(), in_.byte(),
                               0};
      request.size = in_.byte() % 4 == 0 ? in_.word() : in_.byte();
      rig_.tx_page().slot[tx_prod_++ % netif::kSlots].put(request);
    }
    rig_.tx_page().req_prod.store(tx_prod_, kOrder);
  }
  void post() {
    for (int left = in_.byte() % 64; left >= 0; --left)
      rig_.rx_page().slot[rx_prod_++ % netif::kSlots].put(netif::RxRequest{in_.byte(), 0, gref()});
    rig_.rx_page().req_prod.store(rx_prod_, kOrder);
  }
  // A frame of the kernel: any bytes behind a header that its own rules allow.
  void give() {
    test::Bytes frame(14 + in_.word() % (in_.byte() % 4 == 0 ? 65000 : 300));
    for (std::size_t i = 0; i < std::min<std::size_t>(frame.size(), 60); ++i)
      frame[i] = std::byte{in_.byte()};
    net::VnetHeader header{};
    const std::uint8_t kinds[] = {net::vnet::kGsoNone, net::vnet::kGsoTcpV4, net::vnet::kGsoTcpV6};
    header.gso_type = kinds[in_.byte() % 3];
    header.flags = in_.byte() % 4;
    header.gso_size = static_cast<std::uint16_t>(1 + in_.word() % 1500);
    header.csum_start = static_cast<std::uint16_t>(in_.byte() % frame.size());
    header.csum_offset = in_.byte() % 32;
    (void)rig_.tap.give(frame, header);
  }
  void trouble() {
    const std::uint8_t what = in_.byte();
    if (what % 2 == 0) return rig_.xen.fail_call(what / 2);
    rig_.xen.revoke(1 + what / 2 % kPages);
  }
  void pass_tx() {
    if (!tx_alive_) return;
    tx_alive_ = rig_.run_tx();
    require(tx_alive_ || !rig_.tx.fault().empty());
    while (const auto frame = rig_.tap.take()) require(frame->size() >= 14 && frame->size() <= 65535);
  }
  void pass_rx() {
    if (!rx_alive_) return;
    rx_alive_ = rig_.run_rx();
    require(rx_alive_ || !rig_.rx.fault().empty());
  }

  Input in_;
  BackRig rig_;
  std::uint32_t tx_prod_ = 0, rx_prod_ = 0;
  bool tx_alive_ = true, rx_alive_ = true;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::uint8_t flags = input.byte();
  xenstore::Features features;
  features.sg = flags & 1;
  features.gso_tcpv4 = features.sg && (flags & 2);
  features.gso_tcpv6 = features.sg && (flags & 4);
  features.ipv4_csum = flags & 8;
  features.ipv6_csum = flags & 16;
  Play(input, features).run();
  return 0;
}
