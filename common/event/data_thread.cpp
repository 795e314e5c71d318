#include "common/event/data_thread.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>

#include "common/event/irq_affinity.hpp"

namespace hush::event {
namespace {
// Events taken in one turn of the loop, so that descriptors and posted work get theirs.
constexpr int kEventsPerTurn = 64;
// Handlers that run between two rounds of turns: one that posts itself again and again holds up nobody.
constexpr int kHandlersPerLook = 64;
// Until an event that could not be sent is tried again: far below what a peer takes for a stall.
constexpr auto kOwedAgain = std::chrono::milliseconds(10);
// Turns without work until the clock is read again: under Xen it is a system call.
constexpr unsigned kTurnsPerClock = 4;
// Who had nothing so often, one turn after the other, is asked less often as long as others have work: more
// than a poll of mode auto has in what a sleep costs.
constexpr std::uint64_t kQuietAfter = 4096;
// Of those, in a round in which nobody had work. Not all: who has work again in a moment would wait for them.
constexpr std::size_t kQuietPerEmptyRound = 4;

// Opens the channels as a thread of this name: the kernel names their interrupts after who opens the device,
// and /proc/interrupts shows which data thread they wake.
Result<xen::EventChannels> open_channels(const std::string& name) {
  std::optional<Result<xen::EventChannels>> opened;
  std::thread([&] {
    pthread_setname_np(pthread_self(), name.c_str());
    opened = xen::EventChannels::open();
  }).join();
  return std::move(*opened);
}

void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}
}  // namespace

void Served::heard() {
  if (std::exchange(looked_again_, false)) polls.needless.add();
}

DataThread::DataThread(std::string name, xen::EventChannels channels, xen::GrantTable grants)
    : name_(std::move(name)), channels_(std::move(channels)), grants_(std::move(grants)) {}

Result<std::unique_ptr<DataThread>> DataThread::start(const std::string& name, std::optional<unsigned> cpu) {
  const std::string shown = name.substr(0, 15);
  auto channels = open_channels(shown);
  if (!channels) return channels.error();
  auto grants = xen::GrantTable::open();
  if (!grants) return grants.error();
  std::unique_ptr<DataThread> self{new DataThread(shown, std::move(*channels), std::move(*grants))};
  self->cpu_ = cpu;
  self->watch_channels();

  // Blocked here, inherited by the thread: there is no moment at which it could take a signal.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  self->thread_ = std::thread([t = self.get()] { t->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(self->thread_.native_handle(), shown.c_str());
  if (cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(*cpu, &only);
    errno = pthread_setaffinity_np(self->thread_.native_handle(), sizeof only, &only);
    if (errno != 0) return errno_error("keep data thread " + name + " on processor " + std::to_string(*cpu));
  }
  return self;
}

void DataThread::watch_channels() {
  watcher_ = std::make_unique<FdWatcher>(loop_, channels_.fd(), [this] { on_channels(); });
  watcher_->on();
}

DataThread::~DataThread() {
  boost::asio::post(loop_, [this] { watcher_.reset(); });
  keep_running_.reset();
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

Result<EvtchnPort> DataThread::bind(DomId peer, EvtchnPort remote, std::function<void()> on_event) {
  auto port = channels_.bind(peer, remote);
  if (port) listen_for(*port, std::move(on_event));
  return port;
}

Result<EvtchnPort> DataThread::alloc_unbound(DomId peer, std::function<void()> on_event) {
  auto port = channels_.alloc_unbound(peer);
  if (port) listen_for(*port, std::move(on_event));
  return port;
}

void DataThread::listen_for(EvtchnPort port, std::function<void()> on_event) {
  bound_.insert_or_assign(port.value, Bound{std::move(on_event), boost::asio::steady_timer(loop_)});
  if (!cpu_ || std::exchange(interrupts_spread_, true)) return;
  // Once for all that are bound in one go.
  boost::asio::post(loop_, [this] {
    interrupts_spread_ = false;
    keep_interrupts_on(*cpu_, name_);
  });
}

void DataThread::unbind(EvtchnPort port, std::uint64_t life) {
  if (life != life_) return;
  owed_.erase(port.value);
  if (bound_.erase(port.value) != 0) channels_.unbind(port);
}

Result<void> DataThread::begin_anew(const std::string& keeper) {
  ++life_;
  bound_.clear();
  owed_.clear();
  watcher_.reset();
  auto done = channels_.begin_anew(keeper);
  watch_channels();
  return done;
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

bool DataThread::listen(EvtchnPort port, std::uint64_t work) {
  const auto found = bound_.find(port.value);
  if (found == bound_.end() || !std::exchange(found->second.masked, false)) return false;
  const auto wait = found->second.storm.after_event(work);
  if (wait.count() == 0) {
    channels_.unmask(port);
    return false;
  }
  // An event that comes meanwhile stays pending in the hypervisor: it is late, not lost.
  found->second.late.expires_after(wait);
  found->second.late.async_wait([this, port](const boost::system::error_code& stopped) {
    if (!stopped) channels_.unmask(port);
  });
  return true;
}

void DataThread::on_channels() {
  // A port is masked once it is taken: more calls than there are ports find nothing.
  const std::size_t most = std::min<std::size_t>(kEventsPerTurn, bound_.size());
  for (std::size_t i = 0; i < most; ++i) {
    const auto port = channels_.pending();
    if (!port) return;
    const auto found = bound_.find(port->value);
    if (found == bound_.end()) continue;
    found->second.masked = true;
    const auto on_event = found->second.on_event;  // the handler may unbind its own port
    on_event();
  }
}

void DataThread::serve(Served& one) {
  const auto is_it = [&](const InTurn& entry) { return entry.one == &one; };
  const auto found = std::find_if(in_turn_.begin(), in_turn_.end(), is_it);
  if (found != in_turn_.end()) {
    found->polled = false;  // the time begins anew
    return;
  }
  std::erase_if(quiet_, is_it);
  in_turn_.push_back({&one});
}

void DataThread::leave_out(Served& one) {
  const auto is_it = [&](const InTurn& entry) { return entry.one == &one; };
  std::erase_if(in_turn_, is_it);
  std::erase_if(quiet_, is_it);
}

void DataThread::run() {
  while (!loop_.stopped()) {
    if (all_rest()) {
      loop_.run_one();
      continue;
    }
    // Not asked in between whether it is to end: that takes a mutex of the loop's, longer than a turn.
    do round();
    while (turns_ < pace_.turns() && !all_rest());
    turns_ = 0;
    pace_.looks(Clock::now());
    ask_quiet(pace_.quiet_turns());
    for (int i = 0; i < kHandlersPerLook && loop_.poll_one() > 0; ++i) {
    }
  }
}

// One turn for each, in the order in which they came; for some of the quiet ones where nobody has work.
void DataThread::round() {
  worked_ = false;
  for (auto entry = in_turn_.begin(); entry != in_turn_.end();) {
    const bool stayed = stays(*entry);
    if (stayed && !is_quiet(*entry)) {
      ++entry;
      continue;
    }
    if (stayed) quiet_.push_back(*entry);
    entry = in_turn_.erase(entry);
  }
  if (!worked_) ask_quiet(kQuietPerEmptyRound);
  if (!worked_ && !all_rest()) pause_processor();
}

// One turn for each of so many, those first that wait for longest.
void DataThread::ask_quiet(std::size_t most) {
  for (std::size_t left = std::min(most, quiet_.size()); left != 0; --left) {
    InTurn entry = quiet_.front();
    quiet_.pop_front();
    if (!stays(entry)) continue;
    if (is_quiet(entry))
      quiet_.push_back(entry);
    else
      in_turn_.push_back(entry);
  }
}

bool DataThread::is_quiet(const InTurn& entry) {
  return entry.polled && entry.empty_turns >= kQuietAfter;
}

bool DataThread::stays(InTurn& entry) {
  Served& one = *entry.one;
  if (const std::uint64_t came = one.turn(); came != 0) {
    worked_ = true;
    turns_ += LookPace::kWeightOfFrame * came;
    one.patience.arrived(came);
    if (std::exchange(entry.polled, false)) one.polls.found.add();
    return true;
  }
  ++turns_;
  if (is_polled(entry)) return true;
  if (std::exchange(entry.polled, false)) one.polls.in_vain.add();
  one.looked_again_ = !one.rest();
  if (!one.looked_again_) one.polls.sleeps.add();
  return one.looked_again_;
}

// It had nothing: is it asked again? In the modes that do not ask what is expected the clock is not read.
bool DataThread::is_polled(InTurn& entry) {
  poll::Patience& patience = entry.one->patience;
  if (patience.rules().mode == poll::Mode::event) return false;
  if (patience.rules().mode == poll::Mode::poll) {
    if (!std::exchange(entry.polled, true)) entry.empty_turns = 0;
    ++entry.empty_turns;
    return true;
  }
  if (entry.polled) return ++entry.empty_turns % kTurnsPerClock != 0 || Clock::now() < entry.until;
  const auto now = Clock::now();
  const poll::Time budget = patience.drained(now.time_since_epoch());
  entry.until = now + budget;
  entry.empty_turns = 0;
  return entry.polled = budget.count() > 0;
}

}  // namespace hush::event
