// What does a back end say of queues, and does it find those of the front end, and no others, where they are
// to be?
#include <gtest/gtest.h>

#include "tests/support/fake_xen/world.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/vif_config.hpp"

namespace hush {
namespace {

namespace key = xenstore::key;
constexpr char kFrontend[] = "/local/domain/7/device/vif/0";
constexpr char kBackend[] = "/local/domain/0/backend/vif/7/0";

class QueueKeys : public ::testing::Test {
 protected:
  QueueKeys() { xen_.reset(); }
  ~QueueKeys() override {
    store_.reset();
    xen_.reset();
  }
  // nullopt: no number of queues.
  std::optional<std::uint32_t> max_queues(const std::string& text) {
    xen_.write(std::string(kBackend) + "/" + key::kMultiQueueMaxQueues, text);
    const auto read = xenstore::read_max_queues(store_->view(), kBackend);
    EXPECT_TRUE(read) << text;
    return read ? *read : std::nullopt;
  }
  // Queues that differ in every number, as a front end of so many writes them.
  static xenstore::FrontendOffer offer(std::uint32_t queues, bool split, bool areas) {
    xenstore::FrontendOffer offer;
    for (std::uint32_t i = 0; i < queues; ++i) {
      const std::uint32_t at = 100 + 10 * i;
      offer.queues.push_back(
          {Gref{at}, Gref{at + 1}, EvtchnPort{at + 2}, EvtchnPort{split ? at + 3 : at + 2}, {}});
      if (areas) offer.queues.back().area = {Gref{at + 4}, at + 5};
    }
    offer.area_version = areas ? 1 : 0;
    return offer;
  }
  void expect_same(const xenstore::FrontendOffer& written) {
    const auto read = xenstore::read_frontend_offer(store_->view(), kFrontend, xenstore::kMaxQueues);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->area_trouble, "");
    ASSERT_EQ(read->queues.size(), written.queues.size());
    for (std::size_t i = 0; i < read->queues.size(); ++i) {
      const auto &a = read->queues[i], &b = written.queues[i];
      EXPECT_EQ(a.tx_ring, b.tx_ring);
      EXPECT_EQ(a.rx_ring, b.rx_ring);
      EXPECT_EQ(a.tx_port, b.tx_port);
      EXPECT_EQ(a.rx_port, b.rx_port);
      ASSERT_EQ(a.area.has_value(), b.area.has_value());
      if (!a.area) continue;
      EXPECT_EQ(a.area->header_page, b.area->header_page);
      EXPECT_EQ(a.area->pages, b.area->pages);
    }
  }
  std::optional<std::string> front(const std::string& name) {
    return xen_.read(std::string(kFrontend) + "/" + name);
  }

  test::FakeXen& xen_ = test::FakeXen::get();
  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_ = *xenstore::Client::open(loop_);
};

TEST_F(QueueKeys, ABackEndThatSaysNothingTakesOne) {
  const auto read = xenstore::read_max_queues(store_->view(), kBackend);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, std::optional(1U));
}

TEST_F(QueueKeys, ANumberIsBoundedByOurs) {
  EXPECT_EQ(max_queues("1"), 1U);
  EXPECT_EQ(max_queues("8"), 8U);
  for (const char* more : {"9", "1000000", "4294967295"})
    EXPECT_EQ(max_queues(more), xenstore::kMaxQueues) << more;
}

TEST_F(QueueKeys, WhatIsNoNumberOfQueuesIsNone) {
  for (const std::string& text : {std::string("0"), std::string("00"), std::string("-1"), std::string("+4"),
                                  std::string(""), std::string(" 4"), std::string("4 "), std::string("four"),
                                  std::string("0x4"), std::string("4294967296"), std::string(2000, '9')})
    EXPECT_EQ(max_queues(text), std::nullopt) << text;
}

// Each after each other: what is there afterwards is the last one alone.
TEST_F(QueueKeys, WhatABackEndReadsIsWhatWasWrittenLast) {
  for (const std::uint32_t before : {1U, 2U, 4U, 8U})
    for (const std::uint32_t after : {1U, 2U, 4U, 8U})
      for (const bool split : {false, true})
        for (const bool areas : {false, true}) {
          SCOPED_TRACE(std::to_string(before) + " then " + std::to_string(after));
          ASSERT_TRUE(
              xenstore::write_frontend_offer(store_->view(), kFrontend, offer(before, !split, !areas)));
          const auto written = offer(after, split, areas);
          ASSERT_TRUE(xenstore::write_frontend_offer(store_->view(), kFrontend, written));
          expect_same(written);
          EXPECT_EQ(front(key::kMultiQueueNumQueues),
                    after == 1 ? std::nullopt : std::optional(std::to_string(after)));
          for (const char* flat : {key::kTxRingRef, key::kRxRingRef})
            EXPECT_EQ(front(flat).has_value(), after == 1) << flat;
          for (const char* flat : {key::kEventChannel, key::kEventChannelTx, key::kEventChannelRx,
                                   key::kHushAreaRef, key::kHushAreaPages})
            EXPECT_FALSE(after > 1 && front(flat)) << flat;
          for (std::uint32_t i = 0; i < xenstore::kMaxQueues; ++i)
            EXPECT_EQ(front("queue-" + std::to_string(i) + "/" + key::kTxRingRef).has_value(),
                      after > 1 && i < after)
                << i;
        }
}

// What was said of a next area of one form must not be taken for one of the other.
TEST_F(QueueKeys, NoOfferOfAnotherFormOutlivesItsConnection) {
  for (const std::string of : {"", "queue-0/", "queue-1/", "queue-5/"})
    for (const std::uint32_t queues : {1U, 2U}) {
      xen_.write(std::string(kFrontend) + "/" + of + key::kHushAreaOffer, "2 9 100");
      xen_.write(std::string(kFrontend) + "/" + of + key::kHushAreaDeclined, "1 no");
      ASSERT_TRUE(xenstore::write_frontend_offer(store_->view(), kFrontend, offer(queues, true, true)));
      EXPECT_FALSE(front(of + key::kHushAreaOffer)) << of << queues;
      EXPECT_FALSE(front(of + key::kHushAreaDeclined)) << of << queues;
    }
}

}  // namespace
}  // namespace hush
