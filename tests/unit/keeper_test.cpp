// What hush-keeper understands, and what it keeps.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "dom0/keeper/kept.hpp"

namespace hush::keeper {
namespace {

TEST(Wish, IsReadLineByLine) {
  const Wish store = parse("FDSTORE=1\nFDNAME=vif7.3-q2");
  EXPECT_TRUE(store.store);
  EXPECT_FALSE(store.remove);
  EXPECT_EQ(store.name, "vif7.3-q2");
  EXPECT_EQ(store.main_process, 0);
  EXPECT_TRUE(parse("FDNAME=a\nFDSTOREREMOVE=1\n").remove);
  EXPECT_EQ(parse("READY=1\nSTATUS=FDSTORE=1\nMAINPID=4711").main_process, 4711);
  EXPECT_FALSE(parse("READY=1\nSTATUS=FDSTORE=1\nMAINPID=4711").store);
}

TEST(Wish, NonsenseIsNone) {
  for (const char* text :
       {"", "\n", "=", "FDSTORE", "FDSTORE=", "FDSTORE=2", "fdstore=1", "MAINPID=", "MAINPID=-3", "MAINPID=0",
        "MAINPID=1", "MAINPID=12x", "MAINPID=99999999999999999999"}) {
    const Wish wish = parse(text);
    EXPECT_FALSE(wish.store || wish.remove) << text;
    EXPECT_EQ(wish.main_process, 0) << text;
  }
  for (const std::string& name : {std::string("a:b"), std::string("a b"), std::string("a\tb"),
                                  std::string(256, 'a'), std::string("\xc3\xa4"), std::string()})
    EXPECT_EQ(parse("FDNAME=" + name).name, "stored")
        << "it would part the words of LISTEN_FDNAMES: " << name;
}

std::vector<UniqueFd> null() {
  std::vector<UniqueFd> fds;
  fds.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return fds;
}
std::size_t open_descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 10'000; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

TEST(Kept, UntilTheNameIsRemoved) {
  const std::size_t before = open_descriptors();
  Kept kept;
  ASSERT_TRUE(kept.act(parse("FDSTORE=1\nFDNAME=a"), null()));
  ASSERT_TRUE(kept.act(parse("FDSTORE=1\nFDNAME=b"), null()));
  ASSERT_TRUE(kept.act(parse("FDSTORE=1\nFDNAME=a"), null()));
  ASSERT_EQ(kept.all().size(), 3U);
  EXPECT_EQ(kept.all()[1].first, "b");
  ASSERT_TRUE(kept.act(parse("READY=1"), null())) << "what came along is closed";
  EXPECT_EQ(open_descriptors(), before + 3);
  ASSERT_TRUE(kept.act(parse("FDSTOREREMOVE=1\nFDNAME=a"), {}));
  ASSERT_EQ(kept.all().size(), 1U);
  EXPECT_EQ(kept.all()[0].first, "b");
  ASSERT_TRUE(kept.act(parse("FDSTOREREMOVE=1\nFDNAME=none"), {}));
  EXPECT_EQ(open_descriptors(), before + 1);
}

TEST(Kept, NotWithoutEnd) {
  Kept kept;
  const Wish store = parse("FDSTORE=1\nFDNAME=a");
  for (std::size_t i = 0; i < Kept::kMost; ++i) ASSERT_TRUE(kept.act(store, std::vector<UniqueFd>(1)));
  const auto refused = kept.act(store, null());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ENOSPC);
  EXPECT_EQ(kept.all().size(), Kept::kMost);
}

}  // namespace
}  // namespace hush::keeper
