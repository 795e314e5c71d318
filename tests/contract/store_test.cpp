// xenstore, from inside a guest.
#include <cerrno>
#include <cstdlib>

#include "tests/contract/fixture.hpp"

namespace hush::contract {
namespace {

class StoreTest : public Contract {
 protected:
  StoreTest() : home("/local/domain/" + std::to_string(peer_domid)), store(xs_open(0)) {
    peer.tell("xs-rm 0 data/case");
  }
  ~StoreTest() override {
    peer.tell("xs-rm 0 data/case");
    if (store != nullptr) xs_close(store);
  }
  std::string read(const std::string& path) {
    unsigned size = 0;
    char* value = static_cast<char*>(xs_read(store, XBT_NULL, path.c_str(), &size));
    const std::string text = value == nullptr ? "(none)" : std::string(value, size);
    std::free(value);  // NOLINT: libxenstore allocates with malloc
    return text;
  }
  void write(const std::string& path, const std::string& value) {
    ASSERT_TRUE(xs_write(store, XBT_NULL, path.c_str(), value.data(), static_cast<unsigned>(value.size())));
  }

  std::string home;
  xs_handle* store;
};

TEST_F(StoreTest, RelativePathIsTheGuestsOwnTree) {
  ASSERT_TRUE(peer.tell("xs-write 0 0 data/case one").ok());
  EXPECT_EQ(read(home + "/data/case"), "one");
  EXPECT_EQ(peer.tell("xs-read 0 0 " + home + "/data/case").words(), "one");
}

TEST_F(StoreTest, GuestKnowsItsNumber) {
  EXPECT_EQ(peer.tell("xs-read 0 0 domid").words(), std::to_string(peer_domid));
}

TEST_F(StoreTest, AnotherDomainsTreeIsRefused) {
  EXPECT_EQ(peer.tell("xs-write 0 0 /local/domain/0/data-of-case 1").error(), EACCES);
  EXPECT_EQ(peer.tell("xs-write 0 0 /case 1").error(), EACCES);
  EXPECT_EQ(peer.tell("xs-rm 0 /local/domain/0").error(), EACCES);
}

TEST_F(StoreTest, OwnReadOnlyNodesAreRefused) {
  EXPECT_EQ(peer.tell("xs-write 0 0 domid 7").error(), EACCES);
  EXPECT_EQ(peer.tell("xs-write 0 0 device/case 7").error(), EACCES);
}

TEST_F(StoreTest, UnreadableNodesAreRefused) {
  ASSERT_TRUE(xs_mkdir(store, XBT_NULL, "/local/domain/0/case"));
  EXPECT_EQ(peer.tell("xs-read 0 0 /local/domain/0/case").error(), EACCES);
  xs_permissions permissions[2] = {{.id = 0, .perms = XS_PERM_NONE},
                                   {.id = peer_domid, .perms = XS_PERM_READ}};
  ASSERT_TRUE(xs_set_permissions(store, XBT_NULL, "/local/domain/0/case", permissions, 2));
  EXPECT_TRUE(peer.tell("xs-read 0 0 /local/domain/0/case").ok());
  EXPECT_EQ(peer.tell("xs-write 0 0 /local/domain/0/case 1").error(), EACCES);
  ASSERT_TRUE(xs_rm(store, XBT_NULL, "/local/domain/0/case"));
}

TEST_F(StoreTest, MissingNodeIsNotFound) {
  EXPECT_EQ(peer.tell("xs-read 0 0 data/case").error(), ENOENT);
}

TEST_F(StoreTest, WatchFiresAtOnceAndOnEveryWrite) {
  ASSERT_TRUE(peer.tell("xs-watch 1 data/case token-a").ok());
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case token-a");
  write(home + "/data/case", "x");
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case token-a");
  write(home + "/data/case/below", "x");
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case/below token-a");
}

TEST_F(StoreTest, EachConnectionHasItsOwnWatches) {
  ASSERT_TRUE(peer.tell("xs-watch 1 data/case same").ok());
  ASSERT_TRUE(peer.tell("xs-watch 2 data/case same").ok());
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case same");
  EXPECT_EQ(peer.tell("xs-event 2").words(), "data/case same");
  ASSERT_TRUE(peer.tell("xs-close 1").ok());
  write(home + "/data/case", "x");
  EXPECT_EQ(peer.tell("xs-event 2").words(), "data/case same");
}

TEST_F(StoreTest, SameWatchTwiceFiresTwice) {
  // The store itself would refuse it; the kernel's xenbus driver makes two watches of it.
  ASSERT_TRUE(peer.tell("xs-watch 1 data/case token").ok());
  ASSERT_TRUE(peer.tell("xs-watch 1 data/case token").ok());
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case token");
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case token");
  ASSERT_TRUE(peer.tell("xs-unwatch 1 data/case token").ok());
  write(home + "/data/case", "x");
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case token");
}

TEST_F(StoreTest, UnwatchedIsQuiet) {
  ASSERT_TRUE(peer.tell("xs-watch 1 data/case gone").ok());
  ASSERT_TRUE(peer.tell("xs-watch 1 data/case stays").ok());
  peer.tell("xs-event 1");
  peer.tell("xs-event 1");
  ASSERT_TRUE(peer.tell("xs-unwatch 1 data/case gone").ok());
  write(home + "/data/case", "x");
  write(home + "/data/case/second", "x");
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case stays");
  EXPECT_EQ(peer.tell("xs-event 1").words(), "data/case/second stays");
}

TEST_F(StoreTest, UnwatchOfNoWatchIsIgnored) {
  EXPECT_TRUE(peer.tell("xs-unwatch 1 data/case never").ok());
}

TEST_F(StoreTest, TransactionCommits) {
  const std::string id = peer.tell("xs-start 1").words();
  ASSERT_TRUE(peer.tell("xs-write 1 " + id + " data/case inside").ok());
  EXPECT_EQ(read(home + "/data/case"), "(none)");
  EXPECT_EQ(peer.tell("xs-read 1 " + id + " data/case").words(), "inside");
  ASSERT_TRUE(peer.tell("xs-end 1 " + id + " 0").ok());
  EXPECT_EQ(read(home + "/data/case"), "inside");
}

TEST_F(StoreTest, AbortedTransactionLeavesNothing) {
  const std::string id = peer.tell("xs-start 1").words();
  ASSERT_TRUE(peer.tell("xs-write 1 " + id + " data/case inside").ok());
  ASSERT_TRUE(peer.tell("xs-end 1 " + id + " 1").ok());
  EXPECT_EQ(read(home + "/data/case"), "(none)");
}

TEST_F(StoreTest, ConflictingTransactionIsToldToTryAgain) {
  write(home + "/data/case", "before");
  const std::string id = peer.tell("xs-start 1").words();
  EXPECT_EQ(peer.tell("xs-read 1 " + id + " data/case").words(), "before");
  ASSERT_TRUE(peer.tell("xs-write 1 " + id + " data/case mine").ok());
  write(home + "/data/case", "theirs");
  EXPECT_EQ(peer.tell("xs-end 1 " + id + " 0").error(), EAGAIN);
  EXPECT_EQ(read(home + "/data/case"), "theirs");
}

TEST_F(StoreTest, AnotherConnectionsTransactionIsUnknown) {
  const std::string id = peer.tell("xs-start 1").words();
  EXPECT_EQ(peer.tell("xs-write 2 " + id + " data/case stolen").error(), ENOENT);
  ASSERT_TRUE(peer.tell("xs-end 1 " + id + " 1").ok());
}

TEST_F(StoreTest, ClosedConnectionsTransactionsEnd) {
  // A guest may have ten at once: had the closed ones stayed, the later ones were refused.
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(peer.tell("xs-start 1").ok()) << round;
    ASSERT_TRUE(peer.tell("xs-close 1").ok());
  }
}

TEST_F(StoreTest, KilledClientLeavesNoTransactions) {
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(eventually([&] { return peer.tell("xs-start 1").ok(); })) << round;
    peer.kill();
  }
}

}  // namespace
}  // namespace hush::contract
