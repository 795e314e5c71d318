// H11, H29: what a front end can write into its nodes, key by key; and how often.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <latch>
#include <thread>

#include "dom0/vif/vif_manager.hpp"
#include "tests/support/fake_xen/world.hpp"
#include "tests/support/temp_folder.hpp"
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

// An xenstored that is there and answers nothing: it stops as long as the test holds the fake's mutex.
class SilentStore : public Store {
 protected:
  void SetUp() override {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    xen.store_socket = folder.path() / "socket";
    xen.store_socket.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(socket.get(), 100), 0);
    ASSERT_TRUE(client->watch("device", [](const std::string&) {}));
    client->survive([this](const std::string& why) { said = why; }, [this] { back = true; },
                    std::chrono::milliseconds(100));
  }
  void TearDown() override {
    client.reset();
    while (xenstore::Connection::given_up() > 0) std::this_thread::yield();
    xen.store_socket.clear();
  }
  [[nodiscard]] int code_of_a_read() { return client->view().read("x").error().code; }
  void lose_it() {
    EXPECT_EQ(code_of_a_read(), ETIMEDOUT);
    EXPECT_EQ(code_of_a_read(), ETIMEDOUT) << "at once";
    while (said.empty()) loop.run_one();
    EXPECT_EQ(said, "xenstored does not answer");
    EXPECT_EQ(code_of_a_read(), ETIMEDOUT) << "lost";
  }
  // Connections that were made and that nobody has taken yet.
  unsigned connected() {
    unsigned count = 0;
    while (UniqueFd(accept(socket.get(), nullptr, nullptr))) ++count;
    return count;
  }
  // While it is looked for one that answers, some times.
  void look() { loop.run_for(4 * xenstore::Client::kLookEvery); }

  TempFolder folder;
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  std::string said;
  bool back = false;
};

TEST_F(SilentStore, HoldsOneThreadUpUntilItAnswers) {
  {
    const std::lock_guard frozen(xen.mutex);
    lose_it();
    look();
    EXPECT_EQ(xenstore::Connection::given_up(), 1U);
    EXPECT_FALSE(back);
  }
  while (!back) loop.run_one();
  while (xenstore::Connection::given_up() > 0) std::this_thread::yield();
}

TEST_F(SilentStore, HoldsSoManyThreadsUpAndNoMore) {
  std::vector<std::unique_ptr<xenstore::Connection>> others(xenstore::Client::kMostGivenUp);
  for (auto& other : others) {
    other = std::make_unique<xenstore::Connection>();
    ASSERT_TRUE(other->wait_for_answer());
    other->set_patience(std::chrono::milliseconds(1));
  }
  {
    const std::lock_guard frozen(xen.mutex);
    std::latch begun{xenstore::Client::kMostGivenUp};
    for (auto& other : others) {
      const auto answer = other->ask([this, &begun](xs_handle*) -> Result<std::string> {
        begun.count_down();
        return xen.read("x").value_or("");
      });
      EXPECT_EQ(answer.error().code, ETIMEDOUT);
    }
    begun.wait();
    others.clear();
    EXPECT_EQ(xenstore::Connection::given_up(), xenstore::Client::kMostGivenUp);
    connected();
    lose_it();
    look();
    EXPECT_EQ(connected(), 0U) << "it is not even looked for";
  }
  while (!back) loop.run_one();
}

// libxenstore ends its reading thread with pthread_cancel, and xl was seen to wait for that for ever.
TEST_F(SilentStore, ItsClosingIsNotWaitedForEither) {
  auto connection = std::make_unique<xenstore::Connection>();
  ASSERT_TRUE(connection->wait_for_answer());
  const std::lock_guard frozen(xen.mutex);
  connection.reset();
  EXPECT_EQ(xenstore::Connection::given_up(), 1U);
}

// Dead as well as silent: told apart from a silence that ends.
TEST_F(SilentStore, MayDieOfIt) {
  const std::lock_guard frozen(xen.mutex);
  lose_it();
  said.clear();
  while (code_of_a_read() != ENOTCONN) {
    loop.run_one();
    connected();  // accepts, and hangs up
  }
  EXPECT_EQ(said, "") << "it was lost before";
}

}  // namespace
}  // namespace hush::test
