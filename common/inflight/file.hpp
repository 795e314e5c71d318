// In-flight files: made whole or not at all, believed only when all about them is right, mapped for an Array.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/inflight/array.hpp"
#include "common/result.hpp"

namespace hush::inflight {

// The words of a mapped file. Owns nothing.
class MappedWords {
 public:
  explicit MappedWords(std::span<std::uint64_t> words) : words_(words.data()) {}
  // Release, so that the compiler moves no earlier store behind it. A processor makes a killed thread's
  // stores visible in the order in which it ran them, at the latest when another thread runs there: more is
  // not needed.
  void store(std::size_t place, std::uint64_t word) {
    reinterpret_cast<std::atomic<std::uint64_t>*>(words_)[place].store(word, std::memory_order_release);
  }

 private:
  std::uint64_t* words_;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              sizeof(std::atomic<std::uint64_t>) == sizeof(std::uint64_t));

// A mapped file. It goes on to exist when this ends, or the process: that is what it is for.
class File {
 public:
  // A new one in the place of whatever is there: of this user alone (0600), with all its memory allotted, so
  // that no store can fail later. The folder must be there, and must be writable to nobody else.
  static Result<File> create(const std::string& path, std::span<const std::uint64_t> words);
  // The one that is there. Refused unless it is a plain file (no link) of this user with mode 0600, one name
  // and the size that the geometry needs. Its content is not looked at: judge(copy()).
  // ENOENT: there is none.
  static Result<File> open(const std::string& path, const Geometry& geometry) {
    return open(path, bytes_of(geometry));
  }
  // The same of a file that holds something else behind its header.
  static Result<File> open(const std::string& path, std::size_t bytes);

  File(File&& other) noexcept : words_(std::exchange(other.words_, {})) {}
  File& operator=(File&& other) noexcept {
    std::swap(words_, other.words_);
    return *this;
  }
  ~File();

  [[nodiscard]] MappedWords words() { return MappedWords(words_); }
  // As they stand: for judge().
  [[nodiscard]] std::vector<std::uint64_t> copy() const { return {words_.begin(), words_.end()}; }

 private:
  explicit File(std::span<std::uint64_t> words) : words_(words) {}
  static Result<File> make(const std::string& draft, std::span<const std::uint64_t> words);
  static Result<File> map(int fd, const std::string& path, std::size_t bytes);

  std::span<std::uint64_t> words_;
};

// The ring of this file has ended in good order, and nothing of it is to be found again, nor of one that a
// kill left half made. None there: done.
Result<void> remove(const std::string& path);

}  // namespace hush::inflight
