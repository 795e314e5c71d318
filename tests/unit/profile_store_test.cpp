// Is what was learned there again after a restart, and does a file in any trouble leave the daemon serving,
// the trouble said once, and the file as it was?
//
// As root: files of others, folders that cannot be written, a full disk.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "dom0/profile/profile_database.hpp"
#include "dom0/profile/sqlite_profile_store.hpp"
#include "tests/support/temp_folder.hpp"

namespace hush::dom0 {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr WallTime kNow{seconds(1'800'000'000)};
constexpr uid_t kNobody = 65534;

Observation seen(const char* workload, const char* vif, std::uint32_t tx, std::uint32_t rx,
                 WallTime at = kNow) {
  return {workload, vif, at, {tx, rx, 1}};
}

class ProfileStoreTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(seteuid(getuid()), 0); }

  std::unique_ptr<SqliteProfileStore> open() {
    return std::make_unique<SqliteProfileStore>(file, [this](const std::string& line) {
      const std::lock_guard lock(mutex);
      said.push_back(line);
    });
  }
  void make_one() {  // with a peak and a pin
    const auto store = open();
    store->record(seen("web", "vif3.0", 65536, 131072));
    ASSERT_TRUE(store->set("mail", {{4096, 8192, 0}, kNow}));
  }
  std::string bytes() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& text) const { std::ofstream(file, std::ios::binary) << text; }
  void run(const std::string& statement) const {
    SQLite::Database(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(statement);
  }
  // The folder and what is in it are nobody's, and so is this process from now on: root may write anywhere.
  void become_nobody() const {
    if (geteuid() != 0) return;
    for (const auto& path : {folder, file})
      if (fs::exists(path)) {
        ASSERT_EQ(chown(path.c_str(), kNobody, kNobody), 0);
      }
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  // A store over this file says this, once however often it looks; works on in memory; and leaves the file.
  void expect_trouble(const testing::Matcher<std::string>& line) {
    const std::string before = bytes();
    const auto store = open();
    store->record(seen("new", "vif9.0", 16384, 32768));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->settle());
    ASSERT_EQ(said.size(), 1U) << testing::PrintToString(said);
    EXPECT_THAT(said[0], AllOf(line, HasSubstr(file), testing::Not(HasSubstr("\n"))));
    EXPECT_EQ(store->trouble(), said[0]);
    ASSERT_TRUE(store->find("new"));
    EXPECT_EQ(recent_use(*store->find("new"), kNow)->use.guest_rx, 32768U);
    EXPECT_FALSE(store->set("web", {{4096, 4096, 0}, kNow}));
    EXPECT_TRUE(bytes() == before) << "the file has changed";
  }

  const test::TempFolder temp;
  const std::string folder = temp.path();
  std::string file = folder + "/profiles.sqlite";
  std::mutex mutex;
  std::vector<std::string> said;
};

TEST_F(ProfileStoreTest, WhatWasSeenAndSetIsThereAfterARestart) {
  make_one();
  const auto store = open();
  EXPECT_EQ(store->trouble(), "");
  const auto web = store->find("web");
  ASSERT_TRUE(web);
  ASSERT_EQ(web->peaks.size(), 1U);
  const auto& [key, peak] = *web->peaks.begin();
  EXPECT_EQ(key, key_of(seen("web", "vif3.0", 0, 0)));
  EXPECT_EQ(peak.use, (RingUse{65536, 131072, 1}));
  EXPECT_EQ(peak.first, kNow);
  EXPECT_EQ(peak.last, kNow);
  EXPECT_FALSE(web->pin);
  const auto mail = store->find("mail");
  ASSERT_TRUE(mail && mail->pin);
  EXPECT_EQ(mail->pin->use, (RingUse{4096, 8192, 0}));
  EXPECT_EQ(mail->pin->at, kNow);
  EXPECT_EQ(store->list().size(), 2U);
  EXPECT_FALSE(store->find("other"));
  EXPECT_TRUE(said.empty()) << testing::PrintToString(said);
}

TEST_F(ProfileStoreTest, ADayIsOnePeakOverRestartsAndOfTwoDaemons) {
  {
    const auto one = open(), two = open();
    one->record(seen("web", "vif3.0", 65536, 4096));
    one->record(seen("web", "vif3.0", 16384, 4096, kNow + seconds(60)));
    two->record(seen("web", "vif3.0", 4096, 32768, kNow + seconds(120)));
    two->record(seen("web", "vif4.0", 4096, 4096));
    ASSERT_TRUE(one->settle() && two->settle() && one->settle());
    EXPECT_EQ(one->find("web")->peaks.size(), 2U) << "what another one wrote is read";
  }
  const auto web = open()->find("web");
  ASSERT_TRUE(web);
  const Peak& peak = web->peaks.begin()->second;
  EXPECT_EQ(peak.use, (RingUse{65536, 32768, 1}));
  EXPECT_EQ(peak.observations, 3U) << "none is counted twice";
  EXPECT_EQ(peak.last, kNow + seconds(120));
}

TEST_F(ProfileStoreTest, WhatIsForgottenIsGoneFromTheFileToo) {
  make_one();
  const auto store = open();
  ASSERT_TRUE(store->forget("web"));
  EXPECT_FALSE(store->find("web"));
  EXPECT_TRUE(store->find("mail"));
  const auto again = store->forget("web");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ENOENT);
  EXPECT_FALSE(open()->find("web"));
  EXPECT_TRUE(open()->find("mail"));
}

TEST_F(ProfileStoreTest, TheNewestPeaksAreKept) {
  const auto store = open();
  for (std::size_t i = 0; i < kMaxPeaks + 7; ++i) {
    store->record(seen("web", ("vif" + std::to_string(i) + ".0").c_str(), 4096, 4096, kNow + seconds(i)));
    if (i % 50 == 0) {
      ASSERT_TRUE(store->settle());
    }
  }
  ASSERT_TRUE(store->settle());
  const auto web = open()->find("web");
  ASSERT_EQ(web->peaks.size(), kMaxPeaks);
  EXPECT_EQ(web->peaks.count({"vif6.0", key_of(seen("", "", 0, 0)).day}), 0U);
  EXPECT_EQ(SQLite::Database(file).execAndGet("SELECT count(*) FROM peak").getInt(), int{kMaxPeaks});
}

TEST_F(ProfileStoreTest, WhatCannotBeIsNotRecorded) {
  const auto store = open();
  store->record(seen("two words", "vif1.0", 4096, 4096));
  store->record(seen("web", "vif1.0", 5000, 4096));
  store->record(seen("web", "vif1.0", 5000, 4096));
  EXPECT_TRUE(store->list().empty());
  ASSERT_EQ(said.size(), 2U) << testing::PrintToString(said);
  EXPECT_THAT(said[1], AllOf(HasSubstr("vif1.0"), HasSubstr("5000")));
}

TEST_F(ProfileStoreTest, TheFolderIsMade) {
  file = folder + "/lib/hushring/profiles.sqlite";
  make_one();
  EXPECT_TRUE(open()->find("web"));
  EXPECT_TRUE(said.empty()) << testing::PrintToString(said);
}

TEST_F(ProfileStoreTest, AFolderThatCannotBeMade) {
  std::ofstream(folder + "/lib") << "a file";
  file = folder + "/lib/profiles.sqlite";
  expect_trouble(AllOf(HasSubstr("cannot make"), HasSubstr("--profiles")));
}

TEST_F(ProfileStoreTest, AFolderThatCannotBeWritten) {
  become_nobody();
  ASSERT_EQ(chmod(folder.c_str(), 0555), 0);
  expect_trouble(AllOf(HasSubstr("cannot be written"), HasSubstr("--profiles")));
  ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
}

TEST_F(ProfileStoreTest, AFileThatCanOnlyBeRead) {
  make_one();
  become_nobody();
  ASSERT_EQ(chmod(file.c_str(), 0444), 0);
  expect_trouble(HasSubstr("can be read, but not written"));
  EXPECT_TRUE(open()->find("web")) << "what it has counts";
}

TEST_F(ProfileStoreTest, NoDatabaseAtAll) {
  write("my shopping list\n");
  expect_trouble(AllOf(HasSubstr("not usable"), HasSubstr("left as it is"), HasSubstr("mv ")));
  fs::rename(file, file + ".damaged");
  said.clear();
  const auto store = open();
  EXPECT_EQ(store->trouble(), "");
}

TEST_F(ProfileStoreTest, ADamagedOneMovedAsideWhileItRunsIsBegunAnewWithAllThatWasLearned) {
  write(std::string(8192, 'x'));
  const auto store = open();
  store->record(seen("web", "vif3.0", 65536, 4096));
  ASSERT_TRUE(store->settle());
  fs::rename(file, file + ".damaged");
  ASSERT_TRUE(store->settle());
  ASSERT_EQ(said.size(), 2U) << testing::PrintToString(said);
  EXPECT_THAT(said[1], HasSubstr("usable again"));
  EXPECT_TRUE(open()->find("web"));
}

TEST_F(ProfileStoreTest, ATornOne) {
  make_one();
  const std::string whole = bytes();
  write(whole.substr(0, whole.size() - 4096));
  expect_trouble(HasSubstr("not usable"));
}

TEST_F(ProfileStoreTest, OneWithATornPage) {
  make_one();
  std::string whole = bytes();
  whole.replace(whole.size() - 4096, 64, std::string(64, '\xff'));
  write(whole);
  expect_trouble(HasSubstr("not usable"));
}

TEST_F(ProfileStoreTest, ANewerVersion) {
  make_one();
  run("PRAGMA user_version = 2");
  expect_trouble(AllOf(HasSubstr("version 2"), HasSubstr("knows 1")));
}

TEST_F(ProfileStoreTest, AnotherProgramsDatabase) {
  run("CREATE TABLE bookmarks (url TEXT)");
  expect_trouble(HasSubstr("another program"));
}

TEST_F(ProfileStoreTest, OursWithoutItsTables) {
  make_one();
  run("DROP TABLE peak");
  expect_trouble(HasSubstr("no such table: peak"));
}

TEST_F(ProfileStoreTest, SomebodyElses) {
  make_one();
  ASSERT_EQ(chown(file.c_str(), kNobody, kNobody), 0);
  expect_trouble(AllOf(HasSubstr("belong to user 65534"), HasSubstr("chown")));
}

TEST_F(ProfileStoreTest, OneThatOthersCanWrite) {
  make_one();
  ASSERT_EQ(chmod(file.c_str(), 0666), 0);
  expect_trouble(HasSubstr("chmod go-w"));
}

TEST_F(ProfileStoreTest, AFolderThatOthersCanWrite) {
  ASSERT_EQ(chmod(folder.c_str(), 0777), 0);
  expect_trouble(HasSubstr("others can write in"));
}

TEST_F(ProfileStoreTest, ALink) {
  file = folder + "/real.sqlite";
  make_one();
  fs::create_symlink(file, folder + "/profiles.sqlite");
  file = folder + "/profiles.sqlite";
  expect_trouble(HasSubstr("no plain file"));
}

TEST_F(ProfileStoreTest, LockedByAnotherProcessItIsWrittenWhenItIsFree) {
  make_one();
  SQLite::Database other(file, SQLite::OPEN_READWRITE);
  other.exec("BEGIN EXCLUSIVE");
  const auto store = open();
  store->record(seen("new", "vif9.0", 16384, 32768));
  ASSERT_TRUE(store->settle());
  ASSERT_EQ(said.size(), 1U) << testing::PrintToString(said);
  EXPECT_THAT(said[0], AllOf(HasSubstr("locked by another process"), HasSubstr("fuser")));
  const auto refused = store->set("web", {{4096, 4096, 0}, kNow});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EBUSY);
  other.exec("COMMIT");
  ASSERT_TRUE(store->settle());
  EXPECT_EQ(store->trouble(), "");
  EXPECT_TRUE(store->find("web") && store->find("mail")) << "what was there before";
  EXPECT_TRUE(open()->find("new"));
}

TEST_F(ProfileStoreTest, AFullDiskLosesNothing) {
  // In a mount namespace of its own, that of this thread and of those it makes.
  std::thread([this] {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k,mode=0755"), 0);
    make_one();
    const std::string filler = folder + "/filler";
    {
      std::ofstream fill(filler, std::ios::binary);
      while (fill << std::string(4096, 'x') << std::flush) {
      }
    }
    const std::string before = bytes();
    const auto store = open();
    store->record(seen("new", "vif9.0", 16384, 32768));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->settle());
    ASSERT_EQ(said.size(), 1U) << testing::PrintToString(said);
    EXPECT_THAT(said[0], AllOf(HasSubstr("full"), HasSubstr(file)));
    EXPECT_TRUE(store->find("web") && store->find("mail") && store->find("new"));
    EXPECT_TRUE(bytes() == before) << "the file has changed";
    fs::remove(filler);
    ASSERT_TRUE(store->settle());
    EXPECT_EQ(store->trouble(), "");
    const auto after = open();
    EXPECT_TRUE(after->find("web") && after->find("mail") && after->find("new"));
  }).join();
}

TEST_F(ProfileStoreTest, RowsThatMakeNoSenseAreLeftOutAndSaid) {
  make_one();
  const char* rows[] = {"INSERT INTO pin VALUES ('a', 1, -4096, 4096, 1)",     // negative
                        "INSERT INTO pin VALUES ('b', 1, 4096, 5000, 1)",      // no power of two
                        "INSERT INTO pin VALUES ('c', 1, 4096, 67108864, 1)",  // larger than any ring
                        "INSERT INTO pin VALUES ('d', 1, 4096, 4096, 9)",      // queues
                        "INSERT INTO pin VALUES ('e', 9223372036854775807, 4096, 4096, 1)",
                        "INSERT INTO pin VALUES ('f', 1, 4294971392, 4096, 1)",  // 4096 and 2^32
                        "INSERT INTO pin VALUES (CAST(x'ff77' AS TEXT), 1, 4096, 4096, 1)",
                        "INSERT INTO pin VALUES ('two words', 1, 4096, 4096, 1)",
                        "INSERT INTO pin VALUES ('', 1, 4096, 4096, 1)",
                        "INSERT INTO peak VALUES ('g', 'vif1.0', 1, 1, 1, 0, 4096, 4096, 1)",   // never seen
                        "INSERT INTO peak VALUES ('g', 'vif1.0', -1, 1, 1, 1, 4096, 4096, 1)",  // day
                        "INSERT INTO peak VALUES ('g', 'vif1.0', 2, 1, 1, 1, 4096, 4096, 0)",
                        "INSERT INTO peak VALUES ('g', CAST(x'0a80' AS TEXT), 1, 1, 1, 1, 4096, 4096, 1)"};
  for (const char* row : rows) {
    SCOPED_TRACE(row);
    run(row);
    {
      const auto store = open();
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->settle());
      EXPECT_EQ(store->trouble(), "") << "the others are good";
      EXPECT_EQ(store->list().size(), 2U);
      ASSERT_EQ(said.size(), 1U) << testing::PrintToString(said);
      EXPECT_THAT(said[0], AllOf(HasSubstr("1 row makes no sense"), HasSubstr(file)));
    }
    said.clear();
    run("DELETE FROM pin WHERE workload != 'mail'; DELETE FROM peak WHERE workload != 'web'");
  }
}

}  // namespace
}  // namespace hush::dom0
