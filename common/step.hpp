// Places in the code where tools/crash has the daemon die: HUSH_STEP("name") between one store that outlives
// a process and the next. In all builds but that of the preset `steps` the macros here are nothing, and their
// arguments are not even compiled.
//
// In that build the process maps the file that HUSH_STEPS_BOARD names, a Board: who holds the file too says
// at which step, and at how many-th passing of it, the process is to kill itself, and may say so at any time.
// Names are compared by their hash, which the compiler makes; tools/crash finds them in the sources, and that
// no two are the same.
#pragma once
#ifndef HUSH_STEPS
#define HUSH_STEP(name) static_cast<void>(0)
#define HUSH_SERVED() static_cast<void>(0)
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string_view>

namespace hush::step {

// Times: CLOCK_MONOTONIC, in ns; 0: not yet. tools/crash knows these places.
struct Board {
  using Word = std::atomic<std::uint64_t>;
  Word armed;       // the hash of a name; 0: none
  Word left;        // passings until that kills
  Word then;        // armed by the kill itself, for the process that comes next; dies at its first passing
  Word hit;         // what killed the last process that died here
  Word hit_at;      // when
  Word hits;        // how many so far
  Word pid;         // of the process that runs
  Word started_at;  // it did
  Word served_at;   // it told a guest of the first batch, or published the first to it
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline std::uint64_t now() {
  timespec time{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// FNV-1a. Never 0.
consteval std::uint64_t hash(std::string_view name) {
  std::uint64_t value = 14695981039346656037U;
  for (const char letter : name) value = (value ^ static_cast<unsigned char>(letter)) * 1099511628211U;
  return value | 1;
}

inline Board& open_board() {
  static Board none{};
  const char* const path = std::getenv("HUSH_STEPS_BOARD");
  const int fd = path ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return none;
  void* const base = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  (void)::close(fd);
  if (base == MAP_FAILED) return none;
  auto& board = *static_cast<Board*>(base);
  board.served_at = 0;
  board.started_at = now();
  board.pid = static_cast<std::uint64_t>(::getpid());
  return board;
}
inline Board& board = open_board();  // before main()

[[noreturn]] inline void die(std::uint64_t name) {
  board.hit = name;
  board.hit_at = now();
  board.armed = board.then.exchange(0);
  board.left = 1;
  ++board.hits;
  for (;;) (void)::kill(::getpid(), SIGKILL);
}

inline void pass(std::uint64_t name) {
  if (board.armed.load(std::memory_order_relaxed) != name) return;
  if (board.left.fetch_sub(1) == 1) die(name);
}

inline void served() {
  if (board.served_at.load(std::memory_order_relaxed) == 0) board.served_at = now();
}

}  // namespace hush::step

#define HUSH_STEP(name)                                            \
  do {                                                             \
    constexpr std::uint64_t hush_step_ = ::hush::step::hash(name); \
    ::hush::step::pass(hush_step_);                                \
  } while (false)
#define HUSH_SERVED() ::hush::step::served()
#endif
