// The library for applications where it goes by the rings of netif.h, against a back end that this test is:
// what crosses, and what a back end that lies costs. The lies are those of struct netif_*_response; each
// costs the connection, and nothing is believed after it.
#include <deque>

#include "common/netif/wire.hpp"
#include "tests/hostile/in_process/library_fixture.hpp"

namespace hush {
namespace {

class LibraryByNetif : public Library {
 public:
  LibraryByNetif() { back("feature-sg", "1"); }

  void accept_netif() {
    ASSERT_EQ(front("state"), "4") << log_;
    const auto page = [this](const char* key) {
      return xen_.shared_page(static_cast<std::uint32_t>(std::stoul(front(key))));
    };
    tx_.emplace(netif::TxBack::attach(shm::layout_at<netif::TxSring>(page("tx-ring-ref")), {}));
    rx_.emplace(netif::RxBack::attach(shm::layout_at<netif::RxSring>(page("rx-ring-ref")), {}));
    back("state", "4");
    vif_->step();
    ASSERT_NE(vif_->link(), nullptr) << vif_->reason() << "\n" << log_;
    ASSERT_EQ(link().path(), Link::Path::netif);
    // What is posted before a back end looks.
    posted_.clear();
    take_posted();
    ASSERT_EQ(posted_.size(), netif::kSlots);
  }
  void connect_netif() {
    back("feature-hush-area", "0");
    open();
    accept_netif();
    if (!vif_ || !vif_->link()) throw std::runtime_error("not connected: " + log_);  // ends the test
    settle();
  }
  void take_posted() {
    for (auto left = rx_->pending().value(); left; --left) posted_.push_back(rx_->take());
  }
  std::byte* bytes_of(std::uint32_t gref) { return static_cast<std::byte*>(xen_.shared_page(gref)); }
  // Puts a frame of its number into so many slots; whether an event is asked for.
  bool give_slots(std::uint32_t length, std::uint8_t number, std::uint32_t slots = 1) {
    for (std::uint32_t i = 0; i < slots; ++i) {
      const auto request = posted_.front();
      posted_.pop_front();
      std::memset(bytes_of(request.gref), number, length);
      rx_->put(netif::RxResponse{request.id, 0,
                                 static_cast<std::uint16_t>(i + 1 < slots ? netif::rx_flag::kMoreData : 0),
                                 static_cast<std::int16_t>(length)});
    }
    return rx_->publish();
  }
  std::vector<netif::TxRequest> requests() {
    std::vector<netif::TxRequest> got;
    for (auto left = tx_->pending().value(); left; --left) got.push_back(tx_->take());
    return got;
  }
  bool send(std::uint32_t length, std::uint8_t number) {
    std::byte* const place = link().reserve(length);
    if (!place) return false;
    std::memset(place, number, length);
    link().commit({.length = length});
    link().publish();
    return true;
  }
  // After a lie: it is cut off, and the reason is in the store.
  void expect_cut_off(const std::string& why) {
    area::Frame frame;
    (void)link().peek(frame);
    (void)link().reserve(60);
    (void)link().unconsumed();
    EXPECT_FALSE(link().peek(frame)) << "nothing is taken after it";
    EXPECT_EQ(link().reserve(60), nullptr) << "and nothing given";
    vif_->step();
    EXPECT_EQ(vif_->link(), nullptr);
    EXPECT_EQ(vif_->state(), DirectVif::State::barred);
    EXPECT_EQ(vif_->reason(), why);
    EXPECT_EQ(xen_.read(kErrorNode), "cut off: " + why);
  }

  std::optional<netif::TxBack> tx_;
  std::optional<netif::RxBack> rx_;
  std::deque<netif::RxRequest> posted_;
};

TEST_F(LibraryByNetif, CarriesFramesBothWaysInPlace) {
  connect_netif();
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::uint32_t length = 14 + i;
    ASSERT_TRUE(send(length, static_cast<std::uint8_t>(i)));
    const auto sent = requests();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].size, length);
    EXPECT_EQ(sent[0].flags, 0);
    EXPECT_EQ(bytes_of(sent[0].gref)[length - 1], static_cast<std::byte>(i));
    tx_->put(netif::TxResponse{sent[0].id, netif::status::kOkay});
    (void)tx_->publish();

    (void)give_slots(length, static_cast<std::uint8_t>(i));
    area::Frame frame;
    ASSERT_TRUE(link().peek(frame));
    EXPECT_EQ(frame.bytes.size(), length);
    EXPECT_EQ(frame.record.length, length);
    EXPECT_EQ(frame.bytes.back(), static_cast<std::byte>(i));
    EXPECT_FALSE(link().peek(frame));
    link().release();
    take_posted();
    EXPECT_EQ(posted_.size(), netif::kSlots) << "every page is posted again";
  }
  EXPECT_EQ(vif_->counters().out.packets.get(), 1000U);
  EXPECT_EQ(vif_->counters().in.packets.get(), 1000U);
  EXPECT_EQ(vif_->counters().in.bytes.get(), 1000U * 14 + 999 * 1000 / 2);
}

TEST_F(LibraryByNetif, AFrameOfSeveralPagesIsWholeBothWays) {
  connect_netif();
  EXPECT_EQ(link().max_frame(), 65535U);
  std::byte* const place = link().reserve(9014);
  ASSERT_NE(place, nullptr);
  for (int i = 0; i < 9014; ++i) place[i] = static_cast<std::byte>(i / 4096 + 1);
  link().commit({.length = 9014});
  link().publish();
  const auto sent = requests();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].size, 9014) << "the first says the whole";
  EXPECT_EQ(sent[1].size, 4096);
  EXPECT_EQ(sent[2].size, 9014 - 2 * 4096);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sent[i].flags, i < 2 ? netif::tx_flag::kMoreData : 0);
    EXPECT_EQ(bytes_of(sent[i].gref)[0], static_cast<std::byte>(i + 1));
  }
  std::byte* const longer = link().reserve(5000);
  ASSERT_NE(longer, nullptr);
  std::memset(longer, 9, 5000);
  link().commit({.length = 100});  // less than was reserved
  link().publish();
  const auto shorter = requests();
  ASSERT_EQ(shorter.size(), 1U);
  EXPECT_EQ(bytes_of(shorter[0].gref)[99], std::byte{9});

  (void)give_slots(3000, 5, 3);
  (void)give_slots(60, 6);
  area::Frame frame;
  ASSERT_TRUE(link().peek(frame));
  EXPECT_EQ(frame.bytes.size(), 9000U);
  for (const std::byte byte : frame.bytes) ASSERT_EQ(byte, std::byte{5});
  area::Frame next;
  EXPECT_FALSE(link().peek(next)) << "its copy would go over the one that is being read";
  EXPECT_EQ(frame.bytes[8999], std::byte{5});
  link().release();
  ASSERT_TRUE(link().peek(next));
  EXPECT_EQ(next.bytes[0], std::byte{6});
}

TEST_F(LibraryByNetif, WithoutScatterGatherAFrameIsAPage) {
  back("feature-sg", "0");
  connect_netif();
  EXPECT_EQ(link().max_frame(), 4096U);
  EXPECT_TRUE(send(4096, 1));
}

TEST_F(LibraryByNetif, TakesItsPagesBackAndWaitsForThem) {
  connect_netif();
  for (std::uint32_t i = 0; i < netif::kSlots - 1; ++i) ASSERT_TRUE(send(60, 1)) << i;
  EXPECT_EQ(link().reserve(60), nullptr);
  EXPECT_FALSE(link().has_room_for(1, 60));
  EXPECT_EQ(link().unconsumed(), (netif::kSlots - 1) * 4096);
  EXPECT_TRUE(vif_->may_wait({.frames = false, .room = 60}));
  auto sent = requests();
  for (std::size_t i = 0; i < 126; ++i) tx_->put(netif::TxResponse{sent[i].id, netif::status::kOkay});
  EXPECT_FALSE(tx_->publish()) << "an event at half of what is out";
  tx_->put(netif::TxResponse{sent[126].id, netif::status::kOkay});
  EXPECT_TRUE(tx_->publish());
  xen_.kick_local(port());
  EXPECT_TRUE(readable());
  vif_->step();
  EXPECT_TRUE(link().has_room_for(1000, 60)) << "who waits for a burst goes on";
  EXPECT_EQ(link().unconsumed(), (netif::kSlots - 1 - 127) * 4096);
  EXPECT_FALSE(vif_->may_wait({.frames = false, .room = 60})) << "there is some";
  EXPECT_TRUE(send(60, 2));
}

TEST_F(LibraryByNetif, WhoWaitsIsWoken) {
  connect_netif();
  EXPECT_TRUE(give_slots(60, 1)) << "a new ring asks for an event at its first frame";
  area::Frame frame;
  EXPECT_FALSE(vif_->may_wait()) << "it was there before";
  EXPECT_TRUE(link().peek(frame));
  EXPECT_FALSE(give_slots(60, 1)) << "who does not wait asks for nothing";
  EXPECT_TRUE(link().peek(frame));
  ASSERT_TRUE(vif_->may_wait());
  EXPECT_FALSE(readable());
  take_posted();
  EXPECT_TRUE(give_slots(60, 2));
  xen_.kick_local(port());
  EXPECT_TRUE(readable());
  vif_->step();
  EXPECT_TRUE(link().peek(frame));
  EXPECT_EQ(frame.bytes[0], std::byte{2});
}

TEST_F(LibraryByNetif, ItIsTheWayWhereTheAreaIsRefused) {
  open();
  ASSERT_EQ(front("state"), "4");
  EXPECT_NE(front("hush-area-ref"), "");
  back("hush-area-refused", "1 no room today");
  accept_netif();
  EXPECT_NE(log_.find("the back end does not take the area: no room today"), std::string::npos);
  ASSERT_TRUE(send(60, 1));
  EXPECT_EQ(requests().size(), 1U);
  EXPECT_EQ(xen_.read(kErrorNode), std::nullopt);
}

TEST_F(LibraryByNetif, FramesThatNobodyOfferedToFinishAreDroppedAlone) {
  connect_netif();
  const auto put = [this](std::uint16_t flags, std::int16_t status) {
    rx_->put(netif::RxResponse{posted_.front().id, 0, flags, status});
    posted_.pop_front();
  };
  put(netif::rx_flag::kCsumBlank, 60);
  put(0, -1);
  put(0, 13);
  (void)give_slots(60, 7);
  area::Frame frame;
  ASSERT_TRUE(link().peek(frame));
  EXPECT_EQ(frame.bytes[0], std::byte{7});
  link().release();
  const auto& drops = vif_->counters().in.drops;
  EXPECT_EQ(drops[static_cast<std::size_t>(relay::Drop::bad_offload)].get(), 1U);
  EXPECT_EQ(drops[static_cast<std::size_t>(relay::Drop::refused)].get(), 1U);
  EXPECT_EQ(drops[static_cast<std::size_t>(relay::Drop::too_short)].get(), 1U);
  take_posted();
  EXPECT_EQ(posted_.size(), netif::kSlots);
}

TEST_F(LibraryByNetif, AnAnswerToNothingEndsIt) {
  connect_netif();
  ASSERT_TRUE(send(60, 1));
  auto sent = requests();
  tx_->put(netif::TxResponse{static_cast<std::uint16_t>(sent[0].id ^ 1), netif::status::kOkay});
  (void)tx_->publish();
  expect_cut_off("tx_id_not_outstanding");
}

TEST_F(LibraryByNetif, AnAnswerBeyondThePagesEndsIt) {
  connect_netif();
  ASSERT_TRUE(send(60, 1));
  (void)requests();
  tx_->put(netif::TxResponse{netif::kSlots, netif::status::kOkay});
  (void)tx_->publish();
  expect_cut_off("tx_id_out_of_range");
}

TEST_F(LibraryByNetif, MoreAnswersThanRequestsEndIt) {
  connect_netif();
  shm::layout_at<netif::TxSring>(
      xen_.shared_page(static_cast<std::uint32_t>(std::stoul(front("tx-ring-ref")))))
      .rsp_prod.store(1, std::memory_order_release);
  expect_cut_off("tx_index_impossible");
}

TEST_F(LibraryByNetif, MoreFramesThanPagesEndIt) {
  connect_netif();
  shm::layout_at<netif::RxSring>(
      xen_.shared_page(static_cast<std::uint32_t>(std::stoul(front("rx-ring-ref")))))
      .rsp_prod.store(netif::kSlots + 1, std::memory_order_release);
  expect_cut_off("rx_index_impossible");
}

TEST_F(LibraryByNetif, AFrameInAnotherSlotEndsIt) {
  connect_netif();
  rx_->put(netif::RxResponse{static_cast<std::uint16_t>(posted_.front().id + 1), 0, 0, 60});
  (void)rx_->publish();
  expect_cut_off("rx_id_mismatch");
}

TEST_F(LibraryByNetif, AFrameBeyondItsPageEndsIt) {
  connect_netif();
  rx_->put(netif::RxResponse{posted_.front().id, 4000, 0, 97});
  (void)rx_->publish();
  expect_cut_off("rx_beyond_page");
}

TEST_F(LibraryByNetif, AFrameWithoutItsEndEndsIt) {
  connect_netif();
  rx_->put(netif::RxResponse{posted_.front().id, 0, netif::rx_flag::kMoreData, 60});
  (void)rx_->publish();
  expect_cut_off("rx_chain_unfinished");
}

TEST_F(LibraryByNetif, EachCallMayFail) {
  back("feature-hush-area", "0");
  for (std::uint64_t n = 0;; ++n) {
    const std::uint64_t before = xen_.calls();
    xen_.fail_call(n);
    open();
    if (front("state") == "4") {
      back("state", "4");
      vif_->step();
    }
    const bool failed = xen_.calls() - before > n;
    if (failed) {
      // An event that could not be sent is owed, and no trouble.
      EXPECT_TRUE(vif_->link() || !vif_->reason().empty()) << n;
    }
    vif_.reset();
    EXPECT_EQ(xen_.shares(), 0U);
    EXPECT_EQ(xen_.ports(), 0U);
    xen_.write(kFront + std::string("state"), "1");
    back("state", "2");
    if (!failed) return;
  }
}

}  // namespace
}  // namespace hush
