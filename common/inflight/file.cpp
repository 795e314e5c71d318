#include "common/inflight/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/step.hpp"

namespace hush::inflight {
namespace {

constexpr mode_t kMode = 0600;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// The name of a file until it is whole.
std::string draft_of(const std::string& path) {
  return path + ".new";
}

std::string trouble_of(const struct stat& found, std::size_t bytes) {
  if (!S_ISREG(found.st_mode)) return "it is no plain file";
  if (found.st_uid != geteuid())
    return "it is of user " + std::to_string(found.st_uid) + ", not of " + std::to_string(geteuid());
  if ((found.st_mode & 07777) != kMode) return "its mode is not 0600";
  if (found.st_nlink != 1) return "it has a second name";
  if (static_cast<std::size_t>(found.st_size) != bytes)
    return "it has " + std::to_string(found.st_size) + " bytes, its ring needs " + std::to_string(bytes);
  return "";
}

Result<void> write_all(int fd, std::span<const std::uint64_t> words, const std::string& path) {
  const auto bytes = std::as_bytes(words);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno_error("cannot write " + path);
    done += static_cast<std::size_t>(wrote);
  }
  return {};
}

}  // namespace

Result<File> File::create(const std::string& path, std::span<const std::uint64_t> words) {
  const std::string draft = draft_of(path);
  auto file = make(draft, words);
  HUSH_STEP("file-drafted");
  if (file && ::rename(draft.c_str(), path.c_str()) != 0)
    file = errno_error("cannot rename " + draft + " to " + path);
  if (!file) ::unlink(draft.c_str());
  HUSH_STEP("file-made");
  return file;
}

Result<File> File::make(const std::string& draft, std::span<const std::uint64_t> words) {
  // One that was left there by a kill is nobody's.
  if (::unlink(draft.c_str()) != 0 && errno != ENOENT) return errno_error("cannot remove " + draft);
  const Descriptor fd(::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
  if (fd.get() < 0) return errno_error("cannot make " + draft);
  if (::fchmod(fd.get(), kMode) != 0)
    return errno_error("cannot set the mode of " + draft);  // whatever the umask
  if (const int failed = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(words.size_bytes()));
      failed != 0) {
    errno = failed;
    return errno_error("no room for " + draft);
  }
  if (auto done = write_all(fd.get(), words, draft); !done) return done.error();
  return map(fd.get(), draft, words.size_bytes());
}

Result<File> File::open(const std::string& path, std::size_t bytes) {
  const Descriptor fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) return errno_error("cannot open " + path);
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return errno_error("cannot look at " + path);
  if (const std::string trouble = trouble_of(found, bytes); !trouble.empty())
    return error(path + " is not used: " + trouble, EINVAL);
  return map(fd.get(), path, bytes);
}

Result<File> File::map(int fd, const std::string& path, std::size_t bytes) {
  void* const base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return errno_error("cannot map " + path);
  return File(std::span(static_cast<std::uint64_t*>(base), bytes / sizeof(std::uint64_t)));
}

File::~File() {
  if (words_.data()) ::munmap(words_.data(), words_.size_bytes());
}

Result<void> remove(const std::string& path) {
  for (const std::string& name : {path, draft_of(path)})
    if (::unlink(name.c_str()) != 0 && errno != ENOENT) return errno_error("cannot remove " + name);
  return {};
}

}  // namespace hush::inflight
