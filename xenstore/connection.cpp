#include "xenstore/connection.hpp"

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <cstdlib>

namespace hush::xenstore {
namespace {

std::atomic<unsigned> given_up_count{0};

}  // namespace

Connection::Connection() {
  opening_ = post(std::packaged_task<Result<void>()>([life = life_.get()]() -> Result<void> {
    life->handle = xs_open(0);
    if (!life->handle)
      return errno_error("cannot reach xenstore (is xenstored running, or in a guest: is xenfs mounted?)");
    // A stopped one is connected to as any other. What it answers is no matter.
    unsigned length = 0;
    std::free(xs_read(life->handle, XBT_NULL, "domid", &length));
    return {};
  }));
  thread_ = std::thread([life = life_] {
    pthread_setname_np(pthread_self(), "hush-store");
    const auto until_stopped = boost::asio::make_work_guard(life->loop);
    life->loop.run();
    if (life->handle) xs_close(life->handle);
    if (life->parted.exchange(true)) --given_up_count;
    life->ended.set_value();
  });
}

Connection::~Connection() {
  const bool stuck = silent_ || !answered();
  auto ended = life_->ended.get_future();
  life_->loop.stop();
  if (!stuck && ended.wait_for(kClosing) == std::future_status::ready) {
    thread_.join();
    return;
  }
  ++given_up_count;
  if (life_->parted.exchange(true)) --given_up_count;
  thread_.detach();
}

unsigned Connection::given_up() {
  return given_up_count;
}

std::optional<Result<void>> Connection::answered() {
  if (!opening_.valid()) return Result<void>();
  if (opening_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return {};
  return opening_.get();
}

Result<void> Connection::wait_for_answer(std::chrono::milliseconds patience,
                                         const std::function<void()>& on_silence) {
  if (on_silence && opening_.wait_for(patience) != std::future_status::ready) on_silence();
  opening_.wait();
  return opening_.get();
}

Error Connection::silence() {
  return error("xenstored does not answer", ETIMEDOUT);
}

}  // namespace hush::xenstore
