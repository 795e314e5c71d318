#include "tests/model/explorer.hpp"

#include <memory>
#include <stdexcept>
#include <unordered_set>

namespace hush::model {
namespace {

constexpr std::size_t kStack = 64 * 1024;

struct Store {
  std::size_t word;
  std::uint32_t value;
};

// The step that a thread will do when it is its turn.
struct Step {
  enum Kind { load, store, send, wait, end } kind = end;
  std::size_t place = 0;
  std::uint32_t value = 0;
  std::memory_order order = std::memory_order_relaxed;
};

struct Thread {
  std::function<void()> body;
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack{new std::byte[kStack]};
  Step next;
  std::uint32_t result = 0;
  std::deque<Store> buffer;
  std::uint64_t history = 0;  // of all that it has read
  std::uint32_t steps = 0;
};

class Run;
Run* running = nullptr;

class Run {
 public:
  Run(Order order, const std::function<Threads()>& setup) : order_(order) {
    running = this;
    for (auto& body : setup()) {
      threads_.push_back(std::make_unique<Thread>());
      threads_.back()->body = std::move(body);
    }
    for (std::size_t i = 0; i < threads_.size(); ++i) start(i);
  }
  ~Run() { running = nullptr; }

  // Something that can happen now.
  struct Action {
    std::size_t thread;
    int flush;  // -1: a step; otherwise the place in the buffer
  };
  [[nodiscard]] std::vector<Action> actions() const {
    std::vector<Action> found;
    for (std::size_t t = 0; t < threads_.size(); ++t) {
      if (can_step(*threads_[t])) found.push_back({t, -1});
      for (std::size_t i = 0; i < threads_[t]->buffer.size(); ++i)
        if (can_flush(*threads_[t], i)) found.push_back({t, static_cast<int>(i)});
    }
    return found;
  }
  void act(const Action& action) {
    Thread& thread = *threads_[action.thread];
    if (action.flush >= 0) {
      const Store store = thread.buffer[static_cast<std::size_t>(action.flush)];
      thread.buffer.erase(thread.buffer.begin() + action.flush);
      memory_[store.word] = store.value;
      return;
    }
    step(thread);
    resume(action.thread);
  }
  [[nodiscard]] bool ended() const {
    for (const auto& thread : threads_)
      if (thread->next.kind != Step::end) return false;
    return true;
  }
  [[nodiscard]] std::uint64_t state() const {
    std::uint64_t hash = 1;
    const auto mix = [&](std::uint64_t value) {
      hash ^= value + 0x9e3779b97f4a7c15U + (hash << 6) + (hash >> 2);
      hash *= 0xff51afd7ed558ccdU;
      hash ^= hash >> 32;
    };
    for (const auto value : memory_) mix(value);
    for (const bool event : events_) mix(event);
    for (const auto& thread : threads_) {
      mix(thread->history);
      mix(thread->steps);
      for (const auto& store : thread->buffer) mix(store.word << 32 | store.value);
      mix(thread->buffer.size());
    }
    return hash;
  }
  [[nodiscard]] std::string describe(const Action& action) const {
    const Step& step = threads_[action.thread]->next;
    const char* const kinds[] = {"loads", "stores", "sends", "waits for", "ends"};
    std::string text(1, static_cast<char>('A' + action.thread));
    if (action.flush >= 0) return text + " flushes; ";
    return text + " " + kinds[step.kind] + " " + std::to_string(step.place) +
           (step.kind == Step::store ? "=" + std::to_string(step.value) : "") + "; ";
  }

  std::size_t new_word() {
    memory_.push_back(0);
    return memory_.size() - 1;
  }
  std::size_t new_event() {
    events_.push_back(false);
    return events_.size() - 1;
  }
  // From within a thread: this is its next step; comes back when it was done. Not for setup.
  std::uint32_t ask(const Step& step) {
    if (current_ == kNone) throw std::logic_error("setup touches a word");
    Thread& thread = *threads_[current_];
    thread.next = step;
    swapcontext(&thread.context, &main_);
    return thread.result;
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;

  void start(std::size_t number) {
    Thread& thread = *threads_[number];
    getcontext(&thread.context);
    thread.context.uc_stack = {thread.stack.get(), 0, kStack};
    thread.context.uc_link = &main_;
    makecontext(&thread.context, &Run::enter, 0);
    resume(number);
  }
  static void enter() {
    Thread& thread = *running->threads_[running->current_];
    thread.body();
    thread.next = {};
  }
  void resume(std::size_t number) {
    current_ = number;
    swapcontext(&main_, &threads_[number]->context);
    current_ = kNone;
  }

  [[nodiscard]] bool can_step(const Thread& thread) const {
    switch (thread.next.kind) {
      case Step::load:
      case Step::send:
        return true;
      case Step::wait:
        return events_[thread.next.place];
      case Step::end:
        return false;
      case Step::store:
        return thread.next.order == std::memory_order_relaxed || thread.buffer.empty() ||
               (order_ == Order::tso && thread.next.order == std::memory_order_release);
    }
    return false;
  }
  [[nodiscard]] bool can_flush(const Thread& thread, std::size_t at) const {
    if (order_ == Order::tso) return at == 0;
    for (std::size_t i = 0; i < at; ++i)
      if (thread.buffer[i].word == thread.buffer[at].word) return false;
    return true;
  }
  void step(Thread& thread) {
    const Step& now = thread.next;
    ++thread.steps;
    switch (now.kind) {
      case Step::load:
        thread.result = memory_[now.place];
        for (const Store& store : thread.buffer)
          if (store.word == now.place) thread.result = store.value;
        thread.history = (thread.history ^ (thread.result + 1)) * 0x100000001b3U + thread.steps;
        break;
      case Step::store:
        if (now.order == std::memory_order_seq_cst)
          memory_[now.place] = now.value;
        else
          thread.buffer.push_back({now.place, now.value});
        break;
      case Step::send:
        events_[now.place] = true;
        break;
      case Step::wait:
        events_[now.place] = false;
        break;
      case Step::end:
        break;
    }
  }

  Order order_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<std::uint32_t> memory_;
  std::vector<bool> events_;
  ucontext_t main_{};
  std::size_t current_ = kNone;
};

std::string describe(Order order, const std::function<Threads()>& setup,
                     const std::vector<std::size_t>& path) {
  std::string text;
  Run run(order, setup);
  for (const std::size_t choice : path) {
    const auto action = run.actions()[choice];
    text += run.describe(action);
    run.act(action);
  }
  return text;
}

}  // namespace

Word::Word() : number_(running->new_word()) {}
std::uint32_t Word::load(std::memory_order order) const {
  return running->ask({Step::load, number_, 0, order});
}
void Word::store(std::uint32_t value, std::memory_order order) {
  running->ask({Step::store, number_, value, order});
}
Event::Event() : number_(running->new_event()) {}
void Event::send() {
  running->ask({Step::send, number_});
}
void Event::wait() {
  running->ask({Step::wait, number_});
}

// Depth first. A run cannot be taken back, so each branch is walked to again from the start.
Findings explore(Order order, const std::function<Threads()>& setup) {
  Findings found;
  std::unordered_set<std::uint64_t> seen;
  std::vector<std::vector<std::size_t>> branches{{}};
  while (!branches.empty()) {
    const auto path = std::move(branches.back());
    branches.pop_back();
    Run run(order, setup);
    for (const std::size_t choice : path) run.act(run.actions()[choice]);
    auto here = path;
    while (seen.insert(run.state()).second) {
      const auto actions = run.actions();
      if (actions.empty()) {
        if (run.ended()) {
          ++found.ends;
          break;
        }
        found.hang = describe(order, setup, here);
        found.states = seen.size();
        return found;
      }
      for (std::size_t i = 1; i < actions.size(); ++i) {
        branches.push_back(here);
        branches.back().push_back(i);
      }
      here.push_back(0);
      run.act(actions[0]);
    }
  }
  found.states = seen.size();
  return found;
}

}  // namespace hush::model
