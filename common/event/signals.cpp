#include "common/event/signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdlib>
#include <span>

namespace hush::event {
namespace {

// Signals have the numbers 1 to 64, as the kernel counts them.
constexpr int kLast = 64;

sigset_t held() {
  sigset_t set;
  sigfillset(&set);
  for (const int kept : {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS})
    sigdelset(&set, kept);
  return set;
}

}  // namespace

void Signals::hold() {
  const sigset_t set = held();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Result<std::unique_ptr<Signals>> Signals::take(boost::asio::io_context& loop, Actions actions) {
  const sigset_t set = held();
  const int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals < 0) return errno_error("cannot make a signalfd");
  const int ended = eventfd(0, EFD_CLOEXEC);
  if (ended < 0) {
    const auto why = errno_error("cannot make an eventfd");
    ::close(signals);
    return why;
  }
  std::unique_ptr<Signals> self{new Signals(loop, std::move(actions), signals, ended)};
  self->thread_ = std::thread([s = self.get()] { s->run(); });
  pthread_setname_np(self->thread_.native_handle(), "hush-signals");
  return self;
}

Signals::Signals(boost::asio::io_context& loop, Actions actions, int signals, int ended)
    : loop_(loop), actions_(std::move(actions)), signals_fd_(signals), ended_fd_(ended) {}

Signals::~Signals() {
  (void)eventfd_write(ended_fd_, 1);
  if (thread_.joinable()) thread_.join();
  ::close(signals_fd_);
  ::close(ended_fd_);
}

void Signals::run() {
  for (;;) {
    std::array<pollfd, 2> wanted{{{signals_fd_, POLLIN, 0}, {ended_fd_, POLLIN, 0}}};
    int wait = -1;
    if (late_ != Clock::time_point::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(late_ - Clock::now()).count();
      if (left <= 0) {
        if (actions_.on_late) actions_.on_late();
        std::_Exit(0);
      }
      wait = static_cast<int>(left);
    }
    (void)::poll(wanted.data(), wanted.size(), wait);
    if (wanted[1].revents != 0) return;
    if (wanted[0].revents != 0) read_some();
  }
}

// A bufferful: signals that are queued may come faster than they are read, and those that are here are to be
// acted on all the same. The kernel gives those of low numbers first.
void Signals::read_some() {
  std::array<signalfd_siginfo, 64> infos;
  const ssize_t got = ::read(signals_fd_, infos.data(), sizeof infos);
  if (got <= 0) return;
  std::uint64_t came = 0;
  for (const auto& info : std::span(infos).first(static_cast<std::size_t>(got) / sizeof infos[0]))
    if (info.ssi_signo >= 1 && info.ssi_signo <= kLast) came |= std::uint64_t{1} << (info.ssi_signo - 1);
  const auto has = [&](int signal) { return (came >> (signal - 1) & 1) != 0; };
  if (late_ == Clock::time_point::max() && (has(SIGTERM) || has(SIGINT)))
    late_ = Clock::now() + actions_.bound;
  // One for all that the loop has not seen: a flood of signals is no flood of work.
  if (came_.fetch_or(came) == 0) boost::asio::post(loop_, [this] { act(); });
}

void Signals::act() {
  for (std::uint64_t left = came_.exchange(0); left != 0; left &= left - 1)
    actions_.on_signal(std::countr_zero(left) + 1);
}

}  // namespace hush::event
