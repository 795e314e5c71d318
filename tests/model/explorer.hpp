// Runs two threads of real code in every order that a weak memory allows, and looks for one in which they
// hang.
//
// A thread's every access to a Word, and every event it sends or waits for, is one step. A store that is not
// seq_cst waits in a store buffer, from which it reaches memory at any later time: in order (TSO, as x86), or
// each word by itself (PSO, as more of them do). A store with release waits until earlier ones of its thread
// have left. A seq_cst store and all before it are in memory when it is done.
//
// The search is exhaustive, without repeating a state: a thread is a function of what it has read, so what it
// has read, the memory, the buffers and the events are the whole state. The threads are contexts of this one;
// nothing runs in parallel.
#pragma once
#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace hush::model {

enum class Order { tso, pso };

// What was found: in how many states, and the steps to a hang, if there is one.
struct Findings {
  std::uint64_t states = 0;
  std::uint64_t ends = 0;
  std::string hang;
};

// One run's two threads. They must reach their end, whatever the order. Made anew for each run.
using Threads = std::vector<std::function<void()>>;

// setup: makes the shared data and the threads; it is called once a run.
Findings explore(Order order, const std::function<Threads()>& setup);

// Stands in for shm::SharedWord. Made within setup; starts at 0.
class Word {
 public:
  Word();
  Word(const Word&) = delete;
  Word& operator=(const Word&) = delete;
  [[nodiscard]] std::uint32_t load(std::memory_order order) const;
  void store(std::uint32_t value, std::memory_order order);

 private:
  std::size_t number_;
};

// A latched event, as an event channel's.
class Event {
 public:
  Event();
  void send();
  void wait();  // until it is there; takes it

 private:
  std::size_t number_;
};

}  // namespace hush::model
