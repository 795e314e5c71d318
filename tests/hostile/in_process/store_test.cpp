// H11, H29: what a front end can write into its nodes, key by key; and how often.
#include <gtest/gtest.h>

#include "dom0/vif/vif_manager.hpp"
#include "tests/support/fake_xen/world.hpp"
#include "xenstore/keys.hpp"

namespace hush::test {
namespace {

namespace key = xenstore::key;
constexpr std::uint32_t kMaxQueues = 4;
constexpr char kFrontend[] = "/local/domain/7/device/vif/0";

class Store : public ::testing::Test {
 protected:
  Store() {
    xen.reset();
    client = *xenstore::Client::open(loop);
    for (const char* number : {key::kTxRingRef, key::kRxRingRef, key::kEventChannel}) say(number, "9");
    say(key::kRequestRxCopy, "1");
  }
  void say(const std::string& name, const std::string& value) {
    xen.write(std::string(kFrontend) + "/" + name, value);
  }
  // Empty: the offer is taken. Otherwise why not.
  std::string refusal() {
    const auto offer = xenstore::read_frontend_offer(client->view(), kFrontend, kMaxQueues);
    return offer ? "" : offer.error().text;
  }

  FakeXen& xen = FakeXen::get();
  boost::asio::io_context loop{1};
  std::unique_ptr<xenstore::Client> client;
};

TEST_F(Store, AnHonestOfferIsTaken) {
  EXPECT_EQ(refusal(), "");
}

// Each number of the offer, as each text that is none or is out of range.
TEST_F(Store, NumbersAreDigitsWithinTheirRange) {
  const std::string rubbish[] = {"",
                                 "-1",
                                 "+1",
                                 " 9",
                                 "9 ",
                                 "0x9",
                                 "9x",
                                 "nine",
                                 "4294967296",
                                 "99999999999999999999",
                                 "9\n",
                                 "1e1",
                                 "٣",
                                 std::string("9\0", 2),
                                 std::string(2000, '9')};
  for (const char* name : {key::kTxRingRef, key::kRxRingRef, key::kEventChannel, key::kMultiQueueNumQueues})
    for (const std::string& text : rubbish) {
      const auto before = xen.read(std::string(kFrontend) + "/" + name);
      say(name, text);
      EXPECT_NE(refusal().find(name), std::string::npos) << name << " = '" << text << "': " << refusal();
      EXPECT_LT(refusal().size(), 300U) << "the reason goes into the log and the store";
      for (const char c : refusal()) EXPECT_TRUE(c >= ' ' && c <= '~') << "and onto terminals: " << int{c};
      before ? say(name, *before) : xen.remove(std::string(kFrontend) + "/" + name);
    }
}
TEST_F(Store, PortsHaveLimits) {
  for (const char* port : {"0", "131072", "4294967295"}) {
    say(key::kEventChannel, port);
    EXPECT_NE(refusal(), "") << port;
  }
  for (const char* port : {"1", "131071"}) {
    say(key::kEventChannel, port);
    EXPECT_EQ(refusal(), "") << port;
  }
}
TEST_F(Store, QueueCounts) {
  for (const char* count : {"0", "5", "9", "4294967295"}) {
    say(key::kMultiQueueNumQueues, count);
    EXPECT_NE(refusal().find(key::kMultiQueueNumQueues), std::string::npos) << count;
  }
  say(key::kMultiQueueNumQueues, "2");
  EXPECT_NE(refusal().find("queue-0/tx-ring-ref is missing"), std::string::npos) << refusal();
  say(key::kMultiQueueNumQueues, "1");
  EXPECT_EQ(refusal(), "");
}
TEST_F(Store, MissingKeysAreNamed) {
  for (const char* name : {key::kTxRingRef, key::kRxRingRef, key::kEventChannel}) {
    xen.remove(std::string(kFrontend) + "/" + name);
    EXPECT_NE(refusal().find(std::string(name) + " is missing"), std::string::npos) << refusal();
    say(name, "9");
  }
  say(key::kEventChannelTx, "9");
  EXPECT_NE(refusal().find("event-channel-rx is missing"), std::string::npos) << refusal();
}
TEST_F(Store, PageFlippingIsRefused) {
  for (const char* text : {"0", "", "2", "yes"}) {
    say(key::kRequestRxCopy, text);
    EXPECT_NE(refusal().find("page flipping"), std::string::npos) << text;
  }
}
TEST_F(Store, AFlagIsOnForOneAlone) {
  for (const char* text : {"0", "2", "", "yes", "1 ", "01", "11"}) {
    say(key::kFeatureSg, text);
    const auto offer = xenstore::read_frontend_offer(client->view(), kFrontend, kMaxQueues);
    ASSERT_TRUE(offer);
    EXPECT_FALSE(offer->features.sg) << text;
  }
}

// A whole daemon's look at one vif with which nothing is to be done.
class OneVif : public Store {
 protected:
  void SetUp() override {
    toolstack_adds_it();
    say(key::kState, "3");
    ASSERT_TRUE(manager.start());
    loop.poll();
    ASSERT_EQ(manager.vifs().size(), 1U);
  }
  void toolstack_adds_it() {
    xen.write("backend/vif/7/0/frontend", kFrontend);
    xen.write("backend/vif/7/0/frontend-id", "7");
  }

  dom0::Settings settings{*client, {}, "info"};
  dom0::Host host{loop, *client, {}, settings, poll::kUsualWakeCost, *xen::GrantTable::open()};
  dom0::VifManager manager{host};
};

// H29: the state, written over and over. The nodes are read once for all events that are in, not once for
// each.
TEST_F(OneVif, ManyWritesAreOneLook) {
  constexpr int kWrites = 1000;
  const auto before = xen.reads();
  for (int i = 0; i < kWrites; ++i) say(key::kState, "3");
  loop.restart();
  loop.poll();
  EXPECT_GT(xen.reads(), before);
  EXPECT_LT(xen.reads() - before, std::uint64_t{kWrites});
}

// A store that another xenstored began: whether what is missing was removed, or never told to it, says the
// sentinel.
TEST_F(OneVif, IsNotRemovedByAnEmptyStore) {
  const auto looked = [&] {
    manager.store_is_back();
    loop.restart();
    loop.poll();
    return manager.vifs().size();
  };
  xen.remove("backend/vif");
  xen.remove(key::kSentinel);
  EXPECT_EQ(looked(), 1U) << "it began empty";
  ASSERT_TRUE(xen.read(key::kSentinel)) << "the next one is to be told from it too";

  // The toolstack tells it to the new store, and takes it away: that counts.
  toolstack_adds_it();
  EXPECT_EQ(looked(), 1U);
  xen.remove("backend/vif");
  EXPECT_EQ(looked(), 0U) << "it is known, and without the vif";
}

}  // namespace
}  // namespace hush::test
