// Frames of the guest, from its TAP to the ring: are they described as <xen/io/netif.h> says, and does a
// lying back end end the queue with its reason?
#include "common/netif/assemble.hpp"
#include "domu/vif/guest_tx.hpp"
#include "domu_queue_fixture.hpp"

namespace hush::domu {
namespace {

class GuestTxTest : public QueueFixture {
 protected:
  void open(bool sg = true) {
    tx_ = std::make_unique<GuestTx>(netif::TxFront::create(ring<netif::TxSring>()), run(), grefs_, tap(), sg,
                                    counters_);
    back_.emplace(netif::TxBack::attach(ring<netif::TxSring>(), {}));
  }
  Pass run_once() {
    notify_ = false;
    return tx_->run(notify_);
  }
  // What the back end finds on the ring.
  std::vector<netif::TxRequest> take() {
    const auto pending = back_->pending();
    EXPECT_TRUE(pending);
    std::vector<netif::TxRequest> requests;
    for (std::uint32_t i = 0; i < pending.value_or(0); ++i) requests.push_back(back_->take());
    return requests;
  }
  Bytes bytes_of(const netif::TxPacket& packet) {
    Bytes frame;
    for (const auto& f : packet.data()) {
      const std::byte* from = page(f.gref - kFirstGref) + f.offset;
      frame.insert(frame.end(), from, from + f.length);
    }
    return frame;
  }
  void answer(std::uint16_t id, std::int16_t status = netif::status::kOkay) {
    back_->put(netif::TxResponse{id, status});
    (void)back_->publish();
  }
  void answer_all(const std::vector<netif::TxRequest>& requests) {
    for (const auto& r : requests) answer(r.id);
  }
  // Sends one frame and answers it as told; what does the front end make of it?
  Fault after_answer(std::uint16_t id, std::int16_t status = netif::status::kOkay) {
    open();
    kernel_sends(pattern(100));
    EXPECT_EQ(run_once(), Pass::idle);
    sent_ = take();
    answer(id, status);
    return run_once() == Pass::fault ? tx_->fault() : Fault::none;
  }

  QueueCounters counters_;
  std::unique_ptr<GuestTx> tx_;
  std::optional<netif::TxBack> back_;
  std::vector<netif::TxRequest> sent_;
  bool notify_ = false;
};

TEST_F(GuestTxTest, SendsAFrameOfOneSlot) {
  open();
  const Bytes frame = pattern(60);
  kernel_sends(frame);
  EXPECT_EQ(run_once(), Pass::idle);
  EXPECT_TRUE(notify_);  // req_event of a fresh ring asks for the first
  const auto requests = take();
  ASSERT_EQ(requests.size(), 1U);
  const auto packet = netif::assemble_tx(requests);
  EXPECT_EQ(packet.fault, netif::TxFault::none);
  EXPECT_FALSE(packet.csum_blank);
  EXPECT_EQ(bytes_of(packet), frame);
}

TEST_F(GuestTxTest, SplitsEveryLengthOverSlotsAsTheBackEndJoinsThem) {
  open();
  for (const std::size_t length : {14U, 4095U, 4096U, 4097U, 8192U, 8193U, 65534U, 65535U}) {
    const Bytes frame = pattern(length, static_cast<unsigned>(length));
    kernel_sends(frame);
    ASSERT_EQ(run_once(), Pass::idle);
    const auto requests = take();
    ASSERT_FALSE(requests.empty()) << length;
    const auto packet = netif::assemble_tx(requests);
    EXPECT_EQ(packet.fault, netif::TxFault::none) << length;
    EXPECT_EQ(packet.slots, requests.size());
    EXPECT_EQ(bytes_of(packet), frame) << length;
    answer_all(requests);
  }
}

TEST_F(GuestTxTest, SaysSegmentationInAnExtraSlotAndTakesItsEmptyAnswer) {
  open();
  const Bytes frame = tcp_frame(6000);
  kernel_sends(frame, {.flags = net::vnet::kNeedsCsum,
                       .gso_type = net::vnet::kGsoTcpV4,
                       .hdr_len = 54,
                       .gso_size = 1448,
                       .csum_start = 34,
                       .csum_offset = 16});
  ASSERT_EQ(run_once(), Pass::idle);
  const auto requests = take();
  const auto packet = netif::assemble_tx(requests);
  ASSERT_EQ(packet.fault, netif::TxFault::none);
  EXPECT_EQ(packet.extras, 1);
  ASSERT_TRUE(packet.gso);
  EXPECT_EQ(packet.gso->size, 1448);
  EXPECT_FALSE(packet.gso->ipv6);
  EXPECT_TRUE(packet.csum_blank);
  EXPECT_TRUE(packet.data_validated);
  EXPECT_EQ(bytes_of(packet), frame);

  answer(requests[0].id);
  answer(0xffff, netif::status::kNull);  // the id of an extra-info slot's answer says nothing
  answer(requests[2].id);
  EXPECT_EQ(run_once(), Pass::idle);
}

// The back end looks for the checksum behind plain IP; the inner packet of a tunnel is not there.
TEST_F(GuestTxTest, CompletesAChecksumThatTheBackEndWouldNotFind) {
  open();
  Bytes frame = tcp_frame(5000);
  kernel_sends(frame, {.flags = net::vnet::kNeedsCsum,
                       .gso_type = 0,
                       .hdr_len = 0,
                       .gso_size = 0,
                       .csum_start = 100,
                       .csum_offset = 6});
  ASSERT_EQ(run_once(), Pass::idle);
  const auto packet = netif::assemble_tx(take());
  EXPECT_FALSE(packet.csum_blank);
  net::complete_checksum(frame, 100, 6);
  EXPECT_EQ(bytes_of(packet), frame);
  EXPECT_EQ(counters_.tx_checksums.get(), 1U);
}

TEST_F(GuestTxTest, DropsWhatTheRingCannotSay) {
  open();
  kernel_sends(pattern(65536));
  kernel_sends(pattern(13));
  kernel_sends(tcp_frame(100),
               {.flags = 0, .gso_type = 3, .hdr_len = 0, .gso_size = 50, .csum_start = 0, .csum_offset = 0});
  kernel_sends(tcp_frame(100), {.flags = net::vnet::kNeedsCsum,
                                .gso_type = 0,
                                .hdr_len = 0,
                                .gso_size = 0,
                                .csum_start = 65535,
                                .csum_offset = 65535});
  const Bytes good = pattern(77);
  kernel_sends(good);
  ASSERT_EQ(run_once(), Pass::idle);
  const auto requests = take();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(bytes_of(netif::assemble_tx(requests)), good);
  for (const TxDrop why : {TxDrop::too_long, TxDrop::too_short, TxDrop::gso_unknown, TxDrop::bad_offload})
    EXPECT_EQ(counters_.tx_drops[static_cast<std::size_t>(why)].get(), 1U) << name(why);
}

TEST_F(GuestTxTest, TakesOneSlotAFrameWhereTheBackEndWantsIt) {
  open(false);
  kernel_sends(pattern(4096));
  kernel_sends(pattern(4097));
  ASSERT_EQ(run_once(), Pass::idle);
  EXPECT_EQ(take().size(), 1U);
  EXPECT_EQ(counters_.tx_drops[static_cast<std::size_t>(TxDrop::too_long)].get(), 1U);
}

TEST_F(GuestTxTest, StopsReadingWhenTheLargestFrameHasNoRoomAndGoesOnAfterAnswers) {
  open();
  for (int i = 0; i < 20; ++i) kernel_sends(pattern(65535, static_cast<unsigned>(i)));
  int passes = 0;
  while (!tx_->starved() && ++passes < 100) ASSERT_EQ(run_once(), Pass::idle);
  ASSERT_TRUE(tx_->starved());
  EXPECT_FALSE(tx_->ask_for_event());
  auto requests = take();
  EXPECT_EQ(requests.size(), 15U * 16U);
  // The event that it asked for comes at half of what is out, not before.
  for (std::size_t i = 0; i < 119; ++i) {
    back_->put(netif::TxResponse{requests[i].id, netif::status::kOkay});
    EXPECT_FALSE(back_->publish()) << i;
  }
  back_->put(netif::TxResponse{requests[119].id, netif::status::kOkay});
  EXPECT_TRUE(back_->publish());
  for (std::size_t i = 120; i < requests.size(); ++i) answer(requests[i].id);
  std::size_t rest = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(run_once(), Pass::idle);
    rest += take().size();
  }
  EXPECT_EQ(rest, 5U * 16U);
  EXPECT_FALSE(tx_->starved());
}

// Every page comes round, many times, in whatever order the back end answers.
TEST_F(GuestTxTest, PagesAreReusedAfterTheirAnswerAlone) {
  open();
  std::vector<netif::TxRequest> out;
  for (unsigned round = 0; round < 200; ++round) {
    const Bytes frame = pattern(1 + 14 + round * 37 % 9000, round);
    kernel_sends(frame);
    ASSERT_EQ(run_once(), Pass::idle);
    const auto requests = take();
    const auto packet = netif::assemble_tx(requests);
    ASSERT_EQ(bytes_of(packet), frame);
    for (const auto& r : requests)
      for (const auto& o : out) ASSERT_NE(r.id, o.id);
    out.insert(out.end(), requests.begin(), requests.end());
    if (out.size() > 100) {
      for (std::size_t i = out.size(); i > 0; --i) answer(out[i - 1].id);
      out.clear();
    }
  }
}

TEST_F(GuestTxTest, AnErrorAnswerIsCountedAndThePageComesBack) {
  EXPECT_EQ(after_answer(0, netif::status::kError), Fault::none);
  EXPECT_EQ(counters_.tx_drops[static_cast<std::size_t>(TxDrop::backend_refused)].get(), 1U);
}

TEST_F(GuestTxTest, AnIdBeyondThePagesEndsTheQueue) {
  EXPECT_EQ(after_answer(256), Fault::tx_id_out_of_range);
}
TEST_F(GuestTxTest, AnIdThatIsNotOutEndsTheQueue) {
  EXPECT_EQ(after_answer(77), Fault::tx_id_not_outstanding);
}
TEST_F(GuestTxTest, AnEmptyAnswerWithNoExtraSlotOutEndsTheQueue) {
  EXPECT_EQ(after_answer(0, netif::status::kNull), Fault::tx_null_unasked);
}

TEST_F(GuestTxTest, TheSameAnswerTwiceEndsTheQueue) {
  open();
  kernel_sends(pattern(100));
  kernel_sends(pattern(100));
  ASSERT_EQ(run_once(), Pass::idle);
  const auto requests = take();
  answer(requests[0].id);
  answer(requests[0].id);
  EXPECT_EQ(run_once(), Pass::fault);
  EXPECT_EQ(tx_->fault(), Fault::tx_id_not_outstanding);
}

TEST_F(GuestTxTest, AnImpossibleIndexEndsTheQueue) {
  for (const std::uint32_t index : {1U, 2U, 257U, 0x80000000U, 0xffffffffU}) {
    open();
    ring<netif::TxSring>().rsp_prod.store(index, std::memory_order_release);
    EXPECT_EQ(run_once(), Pass::fault);
    EXPECT_EQ(tx_->fault(), Fault::tx_index_impossible);
  }
}

TEST_F(GuestTxTest, ALostInterfaceEndsTheQueue) {
  open();
  hang_up();
  EXPECT_EQ(run_once(), Pass::fault);
  EXPECT_EQ(tx_->fault(), Fault::tap_lost);
}

}  // namespace
}  // namespace hush::domu
