#include "common/event/data_thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <chrono>

namespace hush::event {
namespace {
// Events taken in one turn of the loop, so that descriptors and posted work get theirs.
constexpr int kEventsPerTurn = 64;
// Until an event that could not be sent is tried again: far below what a peer takes for a stall.
constexpr auto kOwedAgain = std::chrono::milliseconds(10);
}  // namespace

DataThread::DataThread(xen::EventChannels channels, xen::GrantTable grants)
    : channels_(std::move(channels)), grants_(std::move(grants)) {}

Result<std::unique_ptr<DataThread>> DataThread::start(const std::string& name) {
  auto channels = xen::EventChannels::open();
  if (!channels) return channels.error();
  auto grants = xen::GrantTable::open();
  if (!grants) return grants.error();
  std::unique_ptr<DataThread> self{new DataThread(std::move(*channels), std::move(*grants))};
  self->watcher_ =
      std::make_unique<FdWatcher>(self->loop_, self->channels_.fd(), [t = self.get()] { t->on_channels(); });
  self->watcher_->on();

  // Blocked here, inherited by the thread: there is no moment at which it could take a signal.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  self->thread_ = std::thread([t = self.get()] { t->loop_.run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(self->thread_.native_handle(), name.substr(0, 15).c_str());
  return self;
}

DataThread::~DataThread() {
  boost::asio::post(loop_, [this] { watcher_.reset(); });
  keep_running_.reset();
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

Result<EvtchnPort> DataThread::bind(DomId peer, EvtchnPort remote, std::function<void()> on_event) {
  auto port = channels_.bind(peer, remote);
  if (port) handlers_[port->value] = std::move(on_event);
  return port;
}

Result<EvtchnPort> DataThread::alloc_unbound(DomId peer, std::function<void()> on_event) {
  auto port = channels_.alloc_unbound(peer);
  if (port) handlers_[port->value] = std::move(on_event);
  return port;
}

void DataThread::unbind(EvtchnPort port) {
  handlers_.erase(port.value);
  owed_.erase(port.value);
  channels_.unbind(port);
}

void DataThread::notify(EvtchnPort port) {
  if (channels_.notify(port)) return;
  if (owed_.insert(port.value).second && owed_.size() == 1) pay_later();
}

void DataThread::pay_later() {
  owed_timer_.expires_after(kOwedAgain);
  owed_timer_.async_wait([this](const boost::system::error_code& stopped) {
    if (stopped) return;
    std::erase_if(owed_, [this](std::uint32_t port) { return channels_.notify(EvtchnPort{port}); });
    if (!owed_.empty()) pay_later();
  });
}

void DataThread::on_channels() {
  for (int i = 0; i < kEventsPerTurn; ++i) {
    const auto port = channels_.pending();
    if (!port) return;
    // Unmasked before the handler looks at the ring: what comes while it looks is a new event, not a lost
    // one.
    channels_.unmask(*port);
    if (const auto it = handlers_.find(port->value); it != handlers_.end()) {
      const auto handler = it->second;  // the handler may unbind its own port
      handler();
    }
  }
}

}  // namespace hush::event
