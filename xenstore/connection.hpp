// A connection to xenstored whose calls have a time limit. libxenstore's have none: they are made on a thread
// of the connection, and one that never returns holds up nobody but that. Of the control thread only.
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/packaged_task.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "common/result.hpp"

struct xs_handle;

namespace hush::xenstore {

class Connection {
 public:
  // Opens it and asks xenstored for a first answer, in its own time: see answered().
  Connection();
  // Does not wait for a call that does not return: the connection and its thread are given up, and go when it
  // does. Closing is such a call too: once in many times the library's reading thread does not end.
  ~Connection();
  static constexpr std::chrono::milliseconds kClosing{1000};
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // How many connections of this process are given up: each holds a thread and a socket.
  static unsigned given_up();

  // How the opening ended; nullopt: xenstored has not answered yet.
  std::optional<Result<void>> answered();
  // The same, waiting as long as it takes; on_silence, where there is one: once, after `patience` without an
  // answer.
  Result<void> wait_for_answer(std::chrono::milliseconds patience = {},
                               const std::function<void()>& on_silence = {});

  // For calls that do not wait for xenstored: xs_fileno, xs_check_watch. Once it has answered.
  [[nodiscard]] xs_handle* handle() const { return life_->handle; }

  // How long a call is waited for from now on; without, as long as it takes, on the caller's own thread.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }
  [[nodiscard]] bool silent() const { return silent_; }
  // ETIMEDOUT: a call took longer, and this and all after it fail.
  static Error silence();

  // What call(xs_handle*) returns, a Result, or silence(). It holds what it needs by value: it may outlive
  // its caller.
  template <class Call>
  std::invoke_result_t<Call, xs_handle*> ask(Call call) {
    using Answer = std::invoke_result_t<Call, xs_handle*>;
    if (silent_) return silence();
    if (!patience_) return call(life_->handle);
    auto answer = post(std::packaged_task<Answer()>(
        [life = life_.get(), call = std::move(call)]() mutable { return call(life->handle); }));
    if (answer.wait_for(*patience_) != std::future_status::ready) {
      silent_ = true;
      return silence();
    }
    return answer.get();
  }

 private:
  struct Life {
    boost::asio::io_context loop{1};
    xs_handle* handle = nullptr;
    std::promise<void> ended;
    std::atomic<bool> parted{false};  // the thread has ended, or was given up: what came first
  };
  template <class Answer>
  std::future<Answer> post(std::packaged_task<Answer()> task) {
    return boost::asio::post(life_->loop, std::move(task));
  }

  std::shared_ptr<Life> life_ = std::make_shared<Life>();  // the thread's too
  std::future<Result<void>> opening_;
  std::thread thread_;
  std::optional<std::chrono::milliseconds> patience_;
  bool silent_ = false;
};

}  // namespace hush::xenstore
