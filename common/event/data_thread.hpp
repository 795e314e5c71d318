// A thread that owns an Asio loop, an event-channel handle and a grant handle: the packet path runs here.
//
// It serves in turns: what has work (Served) gets one batch a round, and none waits for descriptors, timers
// or posted work longer than some turns. Who has nothing is asked again for as long as its Patience says
// (common/poll), then to rest: it asks for its events again and is not called until one comes, while the
// others go on. Only with nobody left to serve does the thread sleep. Who polls for long in vain is asked for
// a 32nd of the time while others have work: 255 that poll and have nothing cost the busy one little, and
// wait 0.2 ms longer for their next frame's turn.
//
// It blocks all signals, so that a signal acts between batches and never inside one, takes no lock on the
// packet path, and never calls xenstore. Ports are added and removed on the thread itself (call()).
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/event/fd_watcher.hpp"
#include "common/event/look_pace.hpp"
#include "common/event/storm_guard.hpp"
#include "common/poll/counters.hpp"
#include "common/poll/patience.hpp"
#include "common/xen/event_channels.hpp"
#include "common/xen/grant_table.hpp"

namespace hush::event {

// Served in turns while it has work. On the thread only, all of it.
class Served {
 public:
  // One batch: how many frames came, or 1 where something else was done. 0: there was nothing to do.
  virtual std::uint64_t turn() = 0;
  // Nothing came for a while: ask for events. False: work has come meanwhile, and no event will tell.
  virtual bool rest() = 0;

  // How long it is asked again before it is to rest. New rules hold from the next turn on; one that rests
  // must be served() to learn of them.
  poll::Patience patience;
  poll::Counters& polls;

 protected:
  // counters: of the owner, outlive this.
  explicit Served(poll::Counters& counters) : polls(counters) {}
  ~Served() = default;
  // An event of the peer's came.
  void heard();

 private:
  friend class DataThread;
  bool looked_again_ = false;  // the last rest() found something: an event may be on its way all the same
};

class DataThread {
 public:
  // Opens the Xen handles here, so that a missing device node is an error of the caller's, then starts.
  // name: as ps and top show it, and /proc/interrupts for its channels, at most 15 characters. cpu: the
  // processor to stay on, which takes the channels' interrupts too; none: any.
  static Result<std::unique_ptr<DataThread>> start(const std::string& name, std::optional<unsigned> cpu = {});
  ~DataThread();
  [[nodiscard]] const std::string& name() const { return name_; }

  // Runs f on the thread and waits for its value. Never call it from the thread itself.
  template <class F>
  auto call(F&& f) -> decltype(f()) {
    std::packaged_task<decltype(f())()> task(std::forward<F>(f));
    auto result = task.get_future();
    boost::asio::post(loop_, [&task] { task(); });
    return result.get();
  }

  // The following are for use on the thread (inside call(), handlers and posted work).
  [[nodiscard]] boost::asio::io_context& loop() { return loop_; }
  [[nodiscard]] xen::GrantTable& grants() { return grants_; }
  // From now on it gets turns, until it rests. Harmless when it already has them. Not from within a turn:
  // post it.
  void serve(Served& one);
  // No more turns for it: before it is destroyed. Not from within a turn.
  void leave_out(Served& one);

  // Binds the peer's port. on_event is called with the port masked: no further event comes until listen().
  Result<EvtchnPort> bind(DomId peer, EvtchnPort remote, std::function<void()> on_event);
  Result<EvtchnPort> alloc_unbound(DomId peer, std::function<void()> on_event);
  // Harmless for a port that died in begin_anew(), but its number may be somebody else's by now: who can be
  // late says in which life() the port was made.
  void unbind(EvtchnPort port) { unbind(port, life_); }
  void unbind(EvtchnPort port, std::uint64_t life);
  // Begins anew with each begin_anew().
  [[nodiscard]] std::uint64_t life() const { return life_; }
  // All ports are dead: the guest was restored (common/xen/dead_channels.hpp). Whoever had one is to unbind
  // it and bind another.
  Result<void> begin_anew(const std::string& keeper = "/proc/self/exe");
  // Takes events of the port again. Look at the ring after it, not before: what comes from now on is told.
  // work: what was done for the port so far, as a count. A peer that sends events for nothing is heard later
  // (StormGuard): true.
  bool listen(EvtchnPort port, std::uint64_t work);
  // An event that cannot be sent is owed and tried again: without it the other end would sleep for ever.
  void notify(EvtchnPort port);

 private:
  DataThread(std::string name, xen::EventChannels channels, xen::GrantTable grants);
  using Clock = std::chrono::steady_clock;
  struct InTurn {
    Served* one;
    bool polled = false;            // it had nothing, and is asked again until...
    Clock::time_point until{};      // in mode auto
    std::uint64_t empty_turns = 0;  // since it is polled
  };
  struct Bound {
    std::function<void()> on_event;
    boost::asio::steady_timer late;  // until a port that stormed is unmasked
    StormGuard storm{};
    bool masked = false;  // an event came, and nobody has listened since
  };
  void watch_channels();
  void listen_for(EvtchnPort port, std::function<void()> on_event);
  void run();
  void round();
  void ask_quiet(std::size_t most);
  [[nodiscard]] static bool is_quiet(const InTurn& entry);
  [[nodiscard]] bool all_rest() const { return in_turn_.empty() && quiet_.empty(); }
  bool stays(InTurn& entry);
  bool is_polled(InTurn& entry);
  void on_channels();
  void pay_later();

  std::string name_;
  std::optional<unsigned> cpu_;
  bool interrupts_spread_ = false;  // of a port that was bound just now
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{
      loop_.get_executor()};
  xen::EventChannels channels_;
  xen::GrantTable grants_;
  std::unique_ptr<FdWatcher> watcher_;
  std::uint64_t life_ = 1;
  std::unordered_map<std::uint32_t, Bound> bound_;  // by local port
  std::vector<InTurn> in_turn_;
  std::deque<InTurn> quiet_;  // polled for long in vain, and not in in_turn_; who was asked last is last
  std::size_t turns_ = 0;     // since the loop was looked at, weighed
  bool worked_ = false;       // somebody had something in this round
  LookPace pace_;
  boost::asio::steady_timer owed_timer_{loop_};
  std::set<std::uint32_t> owed_;  // ports whose event could not be sent yet
  std::thread thread_;
};

}  // namespace hush::event
