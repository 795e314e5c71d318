// Waits on a descriptor that somebody else owns (a library's handle), on an Asio loop.
//
// Asio's descriptor closes what it holds; this one gives it back. Level-triggered: on_ready is called again
// and again while the descriptor is ready and the watcher is on. Belongs to its loop's thread.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

namespace hush::event {

class FdWatcher {
 public:
  // fd must stay open until the watcher is destroyed. Starts switched off.
  FdWatcher(boost::asio::io_context& loop, int fd, std::function<void()> on_ready);
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;
  ~FdWatcher();

  void on();
  // A call that is already on its way still comes through once at most, and is swallowed.
  void off();
  [[nodiscard]] bool is_on() const { return on_; }

 private:
  void wait();

  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void()> on_ready_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // handlers outlive us in the loop
  bool on_ = false;
  bool waiting_ = false;
};

}  // namespace hush::event
