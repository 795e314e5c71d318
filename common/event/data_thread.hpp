// A thread that owns an Asio loop, an event-channel handle and a grant handle: the packet path runs here.
//
// It blocks all signals, so that a signal acts between batches and never inside one, takes no lock on the
// packet path, and never calls xenstore. Ports are added and removed on the thread itself (call()).
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

#include "common/event/fd_watcher.hpp"
#include "common/xen/event_channels.hpp"
#include "common/xen/grant_table.hpp"

namespace hush::event {

class DataThread {
 public:
  // Opens the Xen handles here, so that a missing device node is an error of the caller's, then starts.
  static Result<std::unique_ptr<DataThread>> start(const std::string& name);
  ~DataThread();

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
  // Binds the peer's port; on_event is called with the port masked and unmasked afterwards.
  Result<EvtchnPort> bind(DomId peer, EvtchnPort remote, std::function<void()> on_event);
  Result<EvtchnPort> alloc_unbound(DomId peer, std::function<void()> on_event);
  void unbind(EvtchnPort port);
  // An event that cannot be sent is owed and tried again: without it the other end would sleep for ever.
  void notify(EvtchnPort port);

 private:
  DataThread(xen::EventChannels channels, xen::GrantTable grants);
  void on_channels();
  void pay_later();

  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{
      loop_.get_executor()};
  xen::EventChannels channels_;
  xen::GrantTable grants_;
  std::unique_ptr<FdWatcher> watcher_;
  std::unordered_map<std::uint32_t, std::function<void()>> handlers_;  // by local port
  boost::asio::steady_timer owed_timer_{loop_};
  std::set<std::uint32_t> owed_;  // ports whose event could not be sent yet
  std::thread thread_;
};

}  // namespace hush::event
