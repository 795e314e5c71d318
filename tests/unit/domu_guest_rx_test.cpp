// Frames for the guest, from the ring to its TAP: are they joined as <xen/io/netif.h> says, and does a lying
// back end end the queue with its reason?
#include "domu/vif/guest_rx.hpp"
#include "domu_queue_fixture.hpp"

namespace hush::domu {
namespace {

namespace flag = netif::rx_flag;

class GuestRxTest : public QueueFixture {
 protected:
  GuestRxTest() : rx_(netif::RxFront::create(ring<netif::RxSring>()), run(), grefs_, tap(), counters_) {}

  Pass run_once() {
    notify_ = false;
    return rx_.run(notify_);
  }
  // The back end takes the next request and answers it in its slot.
  netif::RxRequest request() {
    EXPECT_GT(back_.pending().value_or(0), 0U);
    return back_.take();
  }
  void data(std::span<const std::byte> bytes, std::uint16_t flags, std::uint16_t offset = 0) {
    const auto r = request();
    std::memcpy(page(r.gref - kFirstGref) + offset, bytes.data(), bytes.size());
    back_.put(netif::RxResponse{r.id, offset, flags, static_cast<std::int16_t>(bytes.size())});
  }
  void raw(netif::RxResponse response, bool own_id = true) {
    const auto r = request();
    if (own_id) response.id = r.id;
    back_.put(response);
  }
  void extra(std::uint8_t type, std::uint8_t flags, netif::GsoBody body = {}) {
    (void)request();
    netif::ExtraInfo e{type, flags, {}};
    std::memcpy(e.body, &body, sizeof body);
    back_.put(e);
  }
  void send(const Bytes& frame, std::uint16_t flags = 0) {
    for (std::size_t at = 0; at < frame.size(); at += kPageSize) {
      const std::size_t n = std::min(kPageSize, frame.size() - at);
      const bool more = at + n < frame.size();
      data(std::span(frame).subspan(at, n),
           static_cast<std::uint16_t>((at == 0 ? flags : 0) | (more ? flag::kMoreData : 0)));
    }
  }
  Fault verdict() {
    (void)back_.publish();
    return run_once() == Pass::fault ? rx_.fault() : Fault::none;
  }
  std::uint64_t dropped(RxDrop why) const { return counters_.rx_drops[static_cast<std::size_t>(why)].get(); }

  QueueCounters counters_;
  GuestRx rx_;
  netif::RxBack back_ = netif::RxBack::attach(ring<netif::RxSring>(), {});
  bool notify_ = false;
};

TEST_F(GuestRxTest, PostsEveryBufferInItsOwnSlot) {
  for (std::uint16_t i = 0; i < kPages; ++i) {
    const auto r = request();
    EXPECT_EQ(r.id, i);
    EXPECT_EQ(r.gref, kFirstGref + i);
  }
}

TEST_F(GuestRxTest, DeliversEveryLength) {
  for (const std::size_t length : {14U, 60U, 255U, 256U, 257U, 4096U, 4097U, 65535U, 65549U}) {
    const Bytes frame = pattern(length, static_cast<unsigned>(length));
    send(frame);
    EXPECT_EQ(verdict(), Fault::none);
    EXPECT_EQ(kernel_receives(), frame) << length;
  }
}

TEST_F(GuestRxTest, JoinsSlotsThatAreNotFullAndHeadsInPieces) {
  const Bytes frame = tcp_frame(3000);
  const std::span all(frame);
  data(all.first(10), flag::kMoreData | flag::kCsumBlank | flag::kDataValidated, 2);
  data(all.subspan(10, 0), flag::kMoreData);
  data(all.subspan(10, 1), flag::kMoreData, 4095);
  data(all.subspan(11, 300), flag::kMoreData, 100);
  data(all.subspan(311), 0);
  EXPECT_EQ(verdict(), Fault::none);
  net::VnetHeader header{};
  EXPECT_EQ(kernel_receives(&header), frame);
  EXPECT_EQ(header.flags, net::vnet::kNeedsCsum);
  EXPECT_EQ(header.csum_start, 34);
  EXPECT_EQ(header.csum_offset, 16);
}

TEST_F(GuestRxTest, EachBufferIsPostedAgainInItsSlot) {
  for (unsigned round = 0; round < 1000; ++round) {
    const Bytes frame = pattern(14 + round * 61 % 20000, round);
    send(frame);
    ASSERT_EQ(verdict(), Fault::none) << round;
    ASSERT_EQ(kernel_receives(), frame) << round;
  }
  EXPECT_EQ(back_.pending(), kPages);
  EXPECT_EQ(counters_.guest_rx.packets.get(), 1000U);
}

TEST_F(GuestRxTest, SegmentationReachesTheKernel) {
  const Bytes frame = tcp_frame(9000);
  data(std::span(frame).first(4096),
       flag::kMoreData | flag::kExtraInfo | flag::kCsumBlank | flag::kDataValidated);
  extra(netif::extra::kGso, 0, {1448, netif::extra::kGsoTcpV4, 0, 0});
  data(std::span(frame).subspan(4096, 4096), flag::kMoreData);
  data(std::span(frame).subspan(8192), 0);
  EXPECT_EQ(verdict(), Fault::none);
  net::VnetHeader header{};
  EXPECT_EQ(kernel_receives(&header), frame);
  EXPECT_EQ(header.gso_type, net::vnet::kGsoTcpV4);
  EXPECT_EQ(header.gso_size, 1448);
  EXPECT_EQ(header.hdr_len, 54);
  EXPECT_EQ(header.flags, net::vnet::kNeedsCsum);
}

TEST_F(GuestRxTest, SegmentationWithoutABlankChecksumIsGivenThePseudoSum) {
  Bytes frame = tcp_frame(3000);
  data(frame, flag::kExtraInfo);
  extra(netif::extra::kGso, 0, {1448, netif::extra::kGsoTcpV4, 0, 0});
  EXPECT_EQ(verdict(), Fault::none);
  net::set_pseudo_checksum(frame, *net::find_transport(frame), frame.size() - 34);
  EXPECT_EQ(kernel_receives(), frame);
  EXPECT_EQ(counters_.rx_gso_checksum_fixup.get(), 1U);
}

TEST_F(GuestRxTest, DropsAFrameAndGoesOn) {
  raw({0, 0, 0, netif::status::kError});
  send(pattern(13));
  send(pattern(100), flag::kCsumBlank);  // no headers to be found
  data(tcp_frame(2000), flag::kExtraInfo | flag::kCsumBlank);
  extra(netif::extra::kGso, 0, {1448, netif::extra::kGsoTcpV6, 0, 0});
  send(pattern(65535 + 23));
  const Bytes good = pattern(100, 9);
  send(good);
  EXPECT_EQ(verdict(), Fault::none);
  EXPECT_EQ(kernel_receives(), good);
  for (const RxDrop why : {RxDrop::backend_error, RxDrop::too_short, RxDrop::no_csum_header,
                           RxDrop::gso_mismatch, RxDrop::too_long})
    EXPECT_EQ(dropped(why), 1U) << name(why);
  EXPECT_EQ(counters_.guest_rx.packets.get(), 1U);
}

TEST_F(GuestRxTest, AnInterfaceThatRefusesIsCounted) {
  hang_up();
  signal(SIGPIPE, SIG_IGN);  // a TAP raises none
  send(pattern(100));
  EXPECT_EQ(verdict(), Fault::none);
  EXPECT_EQ(dropped(RxDrop::tap_refused), 1U);
}

TEST_F(GuestRxTest, AnAnswerInAnotherRequestsSlotEndsTheQueue) {
  raw({5, 0, 0, 100}, false);
  EXPECT_EQ(verdict(), Fault::rx_id_mismatch);
}
TEST_F(GuestRxTest, ALengthBeyondThePageEndsTheQueue) {
  raw({0, 1, 0, 4096});
  EXPECT_EQ(verdict(), Fault::rx_beyond_page);
}
TEST_F(GuestRxTest, AnOffsetBeyondThePageEndsTheQueue) {
  raw({0, 65535, 0, 1});
  EXPECT_EQ(verdict(), Fault::rx_beyond_page);
}
TEST_F(GuestRxTest, AFrameWithoutAnEndEndsTheQueue) {
  raw({0, 0, flag::kMoreData, 100});
  EXPECT_EQ(verdict(), Fault::rx_chain_unfinished);
}
TEST_F(GuestRxTest, AnExtraSlotThatIsNotThereEndsTheQueue) {
  raw({0, 0, flag::kExtraInfo, 100});
  EXPECT_EQ(verdict(), Fault::rx_chain_unfinished);
}
TEST_F(GuestRxTest, AFrameOfTooManySlotsEndsTheQueue) {
  for (int i = 0; i < 20; ++i) raw({0, 0, flag::kMoreData, 10});
  EXPECT_EQ(verdict(), Fault::rx_slots_excessive);
}
TEST_F(GuestRxTest, ExtrasWithoutEndEndTheQueue) {
  raw({0, 0, flag::kExtraInfo, 100});
  for (int i = 0; i < 100; ++i)
    extra(netif::extra::kGso, netif::extra::kMore, {1448, netif::extra::kGsoTcpV4, 0, 0});
  EXPECT_EQ(verdict(), Fault::rx_chain_unfinished);
}
TEST_F(GuestRxTest, AnUnknownExtraEndsTheQueue) {
  raw({0, 0, flag::kExtraInfo, 100});
  extra(9, 0);
  EXPECT_EQ(verdict(), Fault::rx_extra_type_unknown);
}
TEST_F(GuestRxTest, ASegmentOfNoBytesEndsTheQueue) {
  raw({0, 0, flag::kExtraInfo, 100});
  extra(netif::extra::kGso, 0, {0, netif::extra::kGsoTcpV4, 0, 0});
  EXPECT_EQ(verdict(), Fault::rx_gso_size_zero);
}
TEST_F(GuestRxTest, AnUnknownSegmentationEndsTheQueue) {
  raw({0, 0, flag::kExtraInfo, 100});
  extra(netif::extra::kGso, 0, {100, 7, 0, 0});
  EXPECT_EQ(verdict(), Fault::rx_gso_type_unknown);
}
TEST_F(GuestRxTest, AnImpossibleIndexEndsTheQueue) {
  for (const std::uint32_t index : {257U, 0x80000000U, 0xffffffffU}) {
    ring<netif::RxSring>().rsp_prod.store(index, std::memory_order_release);
    EXPECT_EQ(run_once(), Pass::fault);
    EXPECT_EQ(rx_.fault(), Fault::rx_index_impossible);
  }
}

}  // namespace
}  // namespace hush::domu
