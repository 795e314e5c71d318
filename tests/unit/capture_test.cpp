// Is a capture a file that libpcap reads back, frame for frame?
#include "common/net/capture.hpp"

#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/support/temp_folder.hpp"

namespace hush::net {
namespace {

class CaptureTest : public testing::Test {
 protected:
  std::string file() const { return directory_ + "/guest.pcap"; }

  std::vector<std::vector<std::byte>> read_back() const {
    char problem[PCAP_ERRBUF_SIZE] = "";
    pcap_t* reader = pcap_open_offline(file().c_str(), problem);
    EXPECT_NE(reader, nullptr) << problem;
    if (!reader) return {};
    EXPECT_EQ(pcap_datalink(reader), DLT_EN10MB);
    std::vector<std::vector<std::byte>> frames;
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    int more = 0;
    while ((more = pcap_next_ex(reader, &header, &bytes)) == 1) {
      EXPECT_EQ(header->caplen, header->len);
      EXPECT_GT(header->ts.tv_sec, 1'600'000'000);
      const auto* first = reinterpret_cast<const std::byte*>(bytes);
      frames.emplace_back(first, first + header->caplen);
    }
    EXPECT_EQ(more, PCAP_ERROR_BREAK) << "the file ends within a frame";
    pcap_close(reader);
    return frames;
  }

  const test::TempFolder folder_;
  const std::string directory_ = folder_.path();
};

std::vector<std::byte> frame(std::size_t length) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i * 7 + length);
  return bytes;
}

TEST_F(CaptureTest, FramesComeBack) {
  std::vector<std::vector<std::byte>> sent;
  {
    auto capture = Capture::create(file());
    ASSERT_TRUE(capture) << capture.error().text;
    for (const std::size_t length : {14U, 60U, 1514U, 65535U + 14U, 15U}) {
      sent.push_back(frame(length));
      (*capture)->add(sent.back());
    }
  }
  EXPECT_EQ(read_back(), sent);
}

TEST_F(CaptureTest, FlushMakesThemReadableWhileItRuns) {
  auto capture = Capture::create(file());
  ASSERT_TRUE(capture);
  (*capture)->add(frame(60));
  (*capture)->flush();
  EXPECT_EQ(read_back().size(), 1U);
  (*capture)->add(frame(61));
  (*capture)->flush();
  EXPECT_EQ(read_back().size(), 2U);
}

TEST_F(CaptureTest, AFileWithNoFrameIsStillACapture) {
  { ASSERT_TRUE(Capture::create(file())); }
  EXPECT_TRUE(read_back().empty());
}

TEST_F(CaptureTest, AnUnwritablePathIsNamedInTheError) {
  const auto capture = Capture::create(directory_ + "/missing/guest.pcap");
  ASSERT_FALSE(capture);
  EXPECT_NE(capture.error().text.find("missing/guest.pcap"), std::string::npos) << capture.error().text;
}

TEST_F(CaptureTest, QueuesOfSeveralThreadsWriteIntoOneFile) {
  constexpr std::size_t kEach = 500;
  {
    auto capture = Capture::create(file());
    ASSERT_TRUE(capture);
    const auto write = [&](std::size_t length) {
      for (std::size_t i = 0; i < kEach; ++i) (*capture)->add(frame(length));
    };
    std::thread other(write, 60U);
    write(61U);
    other.join();
  }
  EXPECT_EQ(read_back().size(), 2 * kEach);
}

}  // namespace
}  // namespace hush::net
