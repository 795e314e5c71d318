#include "tools/simxen/tests/test_world.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace hush::simxen {
namespace {

std::string line(const std::string& arguments) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return (self.parent_path() / "simxen").string() + " " + arguments;
}

}  // namespace

void TestWorld::SetUp() {
  char dir[] = "/tmp/simxen-test.XXXXXX";
  ASSERT_NE(::mkdtemp(dir), nullptr);
  ::setenv("SIMXEN_DIR", dir, 1);
  ::setenv("SIMXEN_DOMID", "0", 1);
  ASSERT_EQ(command("up --domains 2"), 0);
}

void TestWorld::TearDown() {
  EXPECT_EQ(command("down"), 0);
}

int TestWorld::command(const std::string& arguments) {
  const int status = std::system(line(arguments).c_str());  // NOLINT(cert-env33-c): our own program
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string TestWorld::output(const std::string& arguments) {
  FILE* pipe = ::popen(line(arguments).c_str(), "r");  // NOLINT(cert-env33-c): our own program
  std::string text;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  ::pclose(pipe);
  return text;
}

Handles::Handles(uint32_t domid) {
  const InDomain in(domid);
  gnttab = xengnttab_open(nullptr, 0);
  gntshr = xengntshr_open(nullptr, 0);
  evtchn = xenevtchn_open(nullptr, 0);
}

Handles::~Handles() {
  xenevtchn_close(evtchn);
  xengntshr_close(gntshr);
  xengnttab_close(gnttab);
}

int wait_event(xenevtchn_handle* handle) {
  pollfd event{.fd = xenevtchn_fd(handle), .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, 20'000) == 1 ? xenevtchn_pending(handle) : -1;
}

int16_t copy_out(xengnttab_handle* handle, uint32_t domid, uint32_t gref, void* to, uint16_t length) {
  xengnttab_grant_copy_segment_t segment{};
  segment.source.foreign = {gref, 0, static_cast<uint16_t>(domid)};
  segment.dest.virt = to;
  segment.len = length;
  segment.flags = GNTCOPY_source_gref;
  return xengnttab_grant_copy(handle, 1, &segment) == 0 ? segment.status : int16_t{1};
}

}  // namespace hush::simxen
