// Where does guest_tx of a queue begin, given what lies in the folder of in-flight files, and what is there
// for the daemon after it?
#include "dom0/vif/tx_inflight.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "dom0/vif/inflight_folder.hpp"
#include "tests/support/temp_folder.hpp"

namespace hush::dom0 {
namespace {
namespace fs = std::filesystem;
using From = TxResumed::From;

constexpr inflight::Identity kRing{DomId{7}, 1, 2, inflight::RingKind::guest_tx, Gref{81}, EvtchnPort{19}};
constexpr netif::TxRequest kRequest{44, 100, 0, 9, 60};

// The page of a ring in which 30 requests were posted and 10 answered.
class TxInflightFile : public testing::Test {
 protected:
  TxInflightFile() {
    (void)netif::TxFront::create(page());
    page().req_prod.store(30, std::memory_order_relaxed);
    page().rsp_prod.store(10, std::memory_order_relaxed);
  }

  netif::TxSring& page() { return shm::layout_at<netif::TxSring>(page_.get()); }
  std::string path() { return (run_ / "vif7.1-q2").string(); }
  TxStart start(const inflight::Identity& ring = kRing) { return start_tx(page(), {path(), true}, ring); }
  // A daemon takes a request, says what came of it, and dies.
  void leave(std::optional<std::int16_t> status = std::nullopt, const inflight::Identity& ring = kRing) {
    const TxStart before = start_tx(page(), {path(), false}, ring);
    ASSERT_TRUE(before.inflight);
    before.inflight->take(0, kRequest);
    if (status) before.inflight->sent(0, *status);
  }
  inflight::Judged judged() {
    const auto file = inflight::File::open(path(), kTxInflight);
    EXPECT_TRUE(file) << file.error().text;
    return inflight::judge(file->copy(), kTxInflight, kRing,
                           {30, page().rsp_prod.load(std::memory_order_relaxed)});
  }

  const test::TempFolder folder_;
  const fs::path run_ = folder_.path();

 private:
  struct alignas(kPageSize) Words : std::array<std::uint32_t, kPageSize / 4> {};
  std::unique_ptr<Words> page_ = std::make_unique<Words>();
};

TEST_F(TxInflightFile, OfTheDaemonBeforeSaysWhereItStood) {
  leave();
  TxStart found = start();
  EXPECT_EQ(found.resumed.from, From::file);
  EXPECT_EQ(found.resumed.taken, 1U);
  EXPECT_EQ(found.resumed.sent, 0U);
  EXPECT_EQ(found.at.consumed, 11U);
  EXPECT_EQ(found.at.produced, 10U);
  ASSERT_TRUE(found.inflight);
  ASSERT_EQ(found.inflight->kept(), 1U);
  EXPECT_EQ(found.inflight->kept(0).gref, kRequest.gref);
  EXPECT_EQ(found.inflight->kept(0).id, kRequest.id);
  EXPECT_EQ(found.inflight->known(0), std::nullopt);
  EXPECT_EQ(found.inflight->known(1), std::nullopt) << "none was kept there";
}

TEST_F(TxInflightFile, SaysWhatCameOfAPacket) {
  leave(netif::status::kError);
  const TxStart found = start();
  EXPECT_EQ(found.resumed.sent, 1U);
  EXPECT_EQ(found.inflight->known(0), netif::status::kError);
}

// A kill between an answer's marks and its publication is followed by one more daemon.
TEST_F(TxInflightFile, SaysItAgainAfterASecondKill) {
  leave(netif::status::kError);
  const TxStart second = start();
  second.inflight->take(0, second.inflight->kept(0));
  struct Killed {};
  EXPECT_THROW(second.inflight->commit(1, [] { throw Killed(); }), Killed);
  EXPECT_EQ(start().inflight->known(0), netif::status::kError);
}

TEST_F(TxInflightFile, OfAnEndedConnectionIsReplaced) {
  leave();
  const TxStart fresh = start_tx(page(), {path(), false}, kRing);
  EXPECT_EQ(fresh.resumed.from, From::start);
  EXPECT_EQ(fresh.at.consumed, 10U);
  EXPECT_EQ(fresh.inflight->kept(), 0U);
  EXPECT_TRUE(judged()->pending.empty());
}

TEST_F(TxInflightFile, ThatIsMissingIsNoRefusal) {
  const TxStart found = start();
  EXPECT_EQ(found.resumed.from, From::ring);
  EXPECT_EQ(found.resumed.refused, "");
  EXPECT_EQ(found.at.consumed, 10U);
  EXPECT_TRUE(found.inflight) << "from now on they are kept";
  EXPECT_TRUE(judged());
}

TEST_F(TxInflightFile, OfAnotherRingIsRefusedWithItsReason) {
  auto other_vif = kRing, other_handle = kRing, other_queue = kRing, other_ring = kRing, other_port = kRing;
  other_vif.peer = DomId{8};
  other_handle.handle = 0;
  other_queue.queue = 1;
  other_ring.ring_ref = Gref{82};
  other_port.port = EvtchnPort{20};
  for (const auto& [ring, why] : {std::pair(other_vif, inflight::Refusal::other_vif),
                                  {other_handle, inflight::Refusal::other_vif},
                                  {other_queue, inflight::Refusal::other_queue},
                                  {other_ring, inflight::Refusal::other_connection},
                                  {other_port, inflight::Refusal::other_connection}}) {
    leave(std::nullopt, ring);
    const TxStart found = start();
    EXPECT_EQ(found.resumed.from, From::ring_not_file);
    EXPECT_EQ(found.resumed.refused, path() + " is not used: " + std::string(inflight::name(why)));
    EXPECT_EQ(found.at.consumed, 10U);
    EXPECT_EQ(found.inflight->kept(), 0U);
    EXPECT_TRUE(judged()->pending.empty()) << "a new file is in its place";
  }
}

// The guest can write the index that says how far answers are.
TEST_F(TxInflightFile, IsRefusedWhereTheGuestMovedItsRing) {
  for (const std::uint32_t moved : {9U, 11U, 30U, 31U, UINT32_MAX}) {
    page().rsp_prod.store(10, std::memory_order_relaxed);
    leave();
    page().rsp_prod.store(moved, std::memory_order_relaxed);
    const TxStart found = start();
    EXPECT_EQ(found.resumed.from, From::ring_not_file) << moved;
    EXPECT_EQ(found.at.consumed, moved);
    EXPECT_EQ(found.at.produced, moved);
  }
}

TEST_F(TxInflightFile, CountsAnswersThatItDidNotKnowYet) {
  leave(netif::status::kOkay);
  const TxStart second = start();
  second.inflight->take(0, second.inflight->kept(0));
  struct Killed {};
  const auto publish = [this] {
    page().rsp_prod.store(11, std::memory_order_relaxed);
    throw Killed();
  };
  EXPECT_THROW(second.inflight->commit(1, publish), Killed);
  const TxStart third = start();
  EXPECT_EQ(third.resumed.from, From::file);
  EXPECT_EQ(third.resumed.answered, 1U);
  EXPECT_EQ(third.resumed.taken, 0U);
  EXPECT_EQ(third.at.consumed, 11U);
}

TEST_F(TxInflightFile, WithoutAFolderNothingIsKept) {
  const TxStart none = start_tx(page(), {}, kRing);
  EXPECT_FALSE(none.inflight);
  EXPECT_EQ(none.resumed.not_kept, "") << "said once, of the folder";
  EXPECT_EQ(none.at.consumed, 10U);
  const TxStart taken_over = start_tx(page(), {"", true}, kRing);
  EXPECT_EQ(taken_over.resumed.from, From::ring);
  const TxStart gone = start_tx(page(), {(run_ / "none" / "vif7.1-q2").string(), true}, kRing);
  EXPECT_FALSE(gone.inflight);
  EXPECT_NE(gone.resumed.not_kept.find("none/vif7.1-q2"), std::string::npos) << gone.resumed.not_kept;
  EXPECT_EQ(gone.at.consumed, 10U);
}

// A file that cannot be replaced would be believed by the daemon after this one.
TEST_F(TxInflightFile, OfBeforeGoesWhereNoneCanBeMade) {
  leave();
  fs::create_directories(path() + ".new/in-the-way");
  const TxStart fresh = start_tx(page(), {path(), false}, kRing);
  EXPECT_FALSE(fresh.inflight);
  EXPECT_NE(fresh.resumed.not_kept, "");
  EXPECT_FALSE(fs::exists(path()));
}

// ---- the folder

constexpr xenstore::VifId kVif{DomId{7}, 1}, kGone{DomId{7}, 11};

void touch(const std::string& path) {
  std::ofstream(path) << "kept";
}

TEST_F(TxInflightFile, LiesInAFolderOfItsUserAlone) {
  const auto folder = InflightFolder::open(run_.string());
  ASSERT_TRUE(folder) << folder.error().text;
  EXPECT_EQ(folder->file(kVif, 2), (run_ / "inflight/vif7.1-q2").string());
  EXPECT_EQ(fs::status(run_ / "inflight").permissions(), fs::perms::owner_all);
  EXPECT_TRUE(InflightFolder::open(run_.string())) << "it is there";
  fs::permissions(run_ / "inflight", fs::perms::group_write, fs::perm_options::add);
  EXPECT_FALSE(InflightFolder::open(run_.string()));
  fs::remove(run_ / "inflight");
  fs::create_directory(run_ / "elsewhere");
  fs::create_directory_symlink(run_ / "elsewhere", run_ / "inflight");
  EXPECT_FALSE(InflightFolder::open(run_.string())) << "a link";
  EXPECT_FALSE(InflightFolder::open((run_ / "none").string()));
}

TEST_F(TxInflightFile, GoesWithItsConnectionAndNoOther) {
  const auto folder = InflightFolder::open(run_.string());
  ASSERT_TRUE(folder);
  for (std::size_t queue = 0; queue < xenstore::kMaxQueues; ++queue) touch(folder->file(kVif, queue));
  touch(folder->file(kVif, 0) + ".new");
  touch(folder->file(kGone, 0));
  ASSERT_TRUE(folder->forget(kVif));
  EXPECT_TRUE(fs::exists(folder->file(kGone, 0)));
  EXPECT_EQ(std::distance(fs::directory_iterator(run_ / "inflight"), fs::directory_iterator()), 1);
  EXPECT_TRUE(folder->forget(kVif)) << "there are none";
}

TEST_F(TxInflightFile, OfAVifThatIsGoneIsRemoved) {
  const auto folder = InflightFolder::open(run_.string());
  ASSERT_TRUE(folder);
  for (const auto& vif : {kVif, kGone}) touch(folder->file(vif, 3));
  touch(folder->file(kGone, 3) + ".new");
  touch((run_ / "inflight/theirs").string());
  touch((run_ / "inflight/vif7.11").string());
  ASSERT_TRUE(folder->keep_only([](std::string_view vif) { return vif == "vif7.1"; }));
  EXPECT_TRUE(fs::exists(folder->file(kVif, 3)));
  EXPECT_FALSE(fs::exists(folder->file(kGone, 3)));
  EXPECT_FALSE(fs::exists(folder->file(kGone, 3) + ".new"));
  EXPECT_TRUE(fs::exists(run_ / "inflight/theirs"));
  EXPECT_TRUE(fs::exists(run_ / "inflight/vif7.11"));
}

}  // namespace
}  // namespace hush::dom0
