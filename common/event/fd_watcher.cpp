#include "common/event/fd_watcher.hpp"

namespace hush::event {

FdWatcher::FdWatcher(boost::asio::io_context& loop, int fd, std::function<void()> on_ready)
    : descriptor_(loop, fd), on_ready_(std::move(on_ready)) {}

FdWatcher::~FdWatcher() {
  *alive_ = false;
  descriptor_.release();
}

void FdWatcher::on() {
  on_ = true;
  if (!waiting_) wait();
}

void FdWatcher::off() {
  on_ = false;
}

void FdWatcher::wait() {
  waiting_ = true;
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this, alive = alive_](const boost::system::error_code& failed) {
                           if (!*alive) return;
                           waiting_ = false;
                           if (failed || !on_) return;
                           on_ready_();
                           if (*alive && on_ && !waiting_) wait();
                         });
}

}  // namespace hush::event
