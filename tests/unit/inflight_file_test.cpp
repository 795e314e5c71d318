// Is an in-flight file there whole or not at all, only its owner's, and what a killed process stored?
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "common/inflight/file.hpp"
#include "tests/support/temp_folder.hpp"

namespace hush::inflight {
namespace {
namespace fs = std::filesystem;

constexpr Geometry kGeometry{256, 3, Order::in_turn};
constexpr Identity kIdentity{DomId{7}, 1, 2, RingKind::guest_tx, Gref{81}, EvtchnPort{19}};

class InflightFile : public testing::Test {
 protected:
  void create(std::uint32_t answered = 10) {
    const auto file = File::create(path_, new_file(kGeometry, kIdentity, answered));
    ASSERT_TRUE(file) << file.error().text;
  }
  // The one line why it is not opened; empty: it is.
  std::string refused() {
    const auto file = File::open(path_, kGeometry);
    return file ? "" : file.error().text;
  }
  Judged judged(RingIndexes ring) {
    const auto file = File::open(path_, kGeometry);
    EXPECT_TRUE(file) << file.error().text;
    return judge(file->copy(), kGeometry, kIdentity, ring);
  }

  const test::TempFolder temp_;
  const fs::path folder_ = temp_.path();
  fs::path path_ = folder_ / "vif7.1-q2";
};

TEST_F(InflightFile, IsThereAfterItsMakerAndOnlyForItsOwner) {
  umask(0);
  create();
  umask(022);
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  EXPECT_EQ(static_cast<std::size_t>(found.st_size), bytes_of(kGeometry));
  EXPECT_GE(static_cast<std::size_t>(found.st_blocks) * 512, bytes_of(kGeometry)) << "a store could fail";
  const auto plan = judged({12, 10});
  ASSERT_TRUE(plan) << name(plan.error());
  EXPECT_EQ(plan->consumed, 10U);
}

TEST_F(InflightFile, TakesThePlaceOfAnyOther) {
  create(10);
  std::ofstream(path_.string() + ".new") << "left by a kill while it was made";
  create(500);
  EXPECT_FALSE(fs::exists(path_.string() + ".new"));
  EXPECT_TRUE(judged({500, 500}));
}

TEST_F(InflightFile, ThatCannotBeMadeLeavesNothing) {
  fs::create_directories(path_ / "in-the-way");
  EXPECT_FALSE(File::create(path_, new_file(kGeometry, kIdentity, 10)));
  EXPECT_FALSE(fs::exists(path_.string() + ".new"));
}

TEST_F(InflightFile, OfAnEarlierMappingIsOutOfReachOfTheNewOne) {
  auto old = File::create(path_, new_file(kGeometry, kIdentity, 10));
  ASSERT_TRUE(old);
  create(500);
  Array<MappedWords> late(old->words(), kGeometry, plan_without_file(kGeometry, 10));
  const std::uint32_t request[] = {1, 2, 3};
  (void)late.take(request);
  const auto plan = judged({500, 500});
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->pending.empty());
}

TEST_F(InflightFile, SaysWhatAKilledProcessStored) {
  create();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto file = File::open(path_, kGeometry);
    Array<MappedWords> array(file->words(), kGeometry, plan_without_file(kGeometry, 10));
    for (std::uint32_t n = 0; n < 20; ++n) {
      const std::uint32_t request[] = {n, n + 100, n + 200};
      const RecordId id = array.take(request);
      if (n < 7) array.sent(id, -1);
    }
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto plan = judged({40, 10});
  ASSERT_TRUE(plan) << name(plan.error());
  ASSERT_EQ(plan->pending.size(), 20U);
  for (std::uint32_t n = 0; n < 20; ++n) {
    EXPECT_EQ(plan->pending[n].sent, n < 7);
    EXPECT_EQ(plan->pending[n].request, (std::vector<std::uint32_t>{n, n + 100, n + 200}));
  }
}

TEST_F(InflightFile, ThatIsNotThereIsNotFound) {
  const auto file = File::open(path_, kGeometry);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ENOENT);
  EXPECT_TRUE(inflight::remove(path_.string()));
}

TEST_F(InflightFile, IsGoneWhenItIsRemoved) {
  create();
  EXPECT_TRUE(inflight::remove(path_.string()));
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(InflightFile, OfAnotherModeIsRefused) {
  for (const mode_t mode : {0644U, 0660U, 0400U, 0700U, 0602U, 04600U}) {
    create();
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    EXPECT_NE(refused().find("its mode is not 0600"), std::string::npos) << std::oct << mode;
  }
}

TEST_F(InflightFile, OfAnotherOwnerIsRefused) {
  create();
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0) << "needs root";
  EXPECT_NE(refused().find("it is of user 65534, not of 0"), std::string::npos) << refused();
}

TEST_F(InflightFile, OfAnotherSizeIsRefused) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{4096}, bytes_of(kGeometry) - 1, bytes_of(kGeometry) + 1}) {
    create();
    fs::resize_file(path_, bytes);
    EXPECT_NE(refused().find("it has " + std::to_string(bytes) + " bytes, its ring needs "),
              std::string::npos)
        << refused();
  }
}

TEST_F(InflightFile, ThatIsALinkAFolderOrAPipeIsRefused) {
  create();
  fs::create_symlink(path_, folder_ / "link");
  path_ = folder_ / "link";
  EXPECT_NE(refused().find("cannot open"), std::string::npos) << refused();
  fs::create_hard_link(folder_ / "vif7.1-q2", folder_ / "second");
  path_ = folder_ / "second";
  EXPECT_NE(refused().find("it has a second name"), std::string::npos) << refused();
  path_ = folder_ / "pipe";
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_NE(refused().find("it is no plain file"), std::string::npos) << refused();
  path_ = folder_;
  EXPECT_NE(refused().find("cannot open"), std::string::npos) << refused();
}

TEST_F(InflightFile, ThatCannotBeMadeSaysWhy) {
  path_ = folder_ / "no" / "such";
  const auto file = File::create(path_, new_file(kGeometry, kIdentity, 0));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ENOENT);
  EXPECT_NE(file.error().text.find("No such file"), std::string::npos) << file.error().text;
}

}  // namespace
}  // namespace hush::inflight
