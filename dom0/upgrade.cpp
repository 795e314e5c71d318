#include "dom0/upgrade.hpp"

#include <poll.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/ipc/packet.hpp"

namespace hush::dom0 {
namespace {

using nlohmann::json;

// The new program finds its socket there: nothing else is passed on.
constexpr int kSocketOfChild = 3;

Result<void> send(int socket, const json& message, const std::vector<int>& fds) {
  const std::string text = message.dump();
  if (!ipc::send_packet(socket, std::as_bytes(std::span(text)), {}, fds))
    return errno_error("tell the other hush-backd");
  return {};
}

struct Heard {
  json message;
  std::vector<UniqueFd> fds;
};
// until: at most; max(): for ever.
Result<Heard> hear_from(int socket, std::chrono::steady_clock::time_point until) {
  using std::chrono::steady_clock;
  for (;;) {
    int wait = -1;
    if (until != steady_clock::time_point::max())
      wait = static_cast<int>(
          std::max(std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count(),
                   std::int64_t{0}));
    pollfd wanted{socket, POLLIN, 0};
    const int ready = ::poll(&wanted, 1, wait);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return error("it says nothing", ETIMEDOUT);
    break;
  }
  ipc::Packet packet;
  if (!ipc::receive_packet(socket, packet, MSG_DONTWAIT))
    return errno == ECONNRESET ? error("it has ended", ECONNRESET) : errno_error("hear the other hush-backd");
  Heard heard{
      json::parse(reinterpret_cast<const char*>(packet.bytes.data()),
                  reinterpret_cast<const char*>(packet.bytes.data()) + packet.bytes.size(), nullptr, false),
      std::move(packet.fds)};
  if (!heard.message.is_object()) return error("it says what is no JSON object", EPROTO);
  const auto why = heard.message.find("failed");
  if (why != heard.message.end()) return error(why->is_string() ? why->get<std::string>() : "it failed");
  return heard;
}

std::string text_of(const json& message, const char* what) {
  const auto found = message.find(what);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_of(const json& message, const char* what) {
  const auto found = message.find(what);
  return found != message.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// The file that this program was started from, whatever lies there now.
std::string own_program() {
  std::error_code failed;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  constexpr std::string_view kReplaced = " (deleted)";
  if (path.ends_with(kReplaced)) path.resize(path.size() - kReplaced.size());
  return path;
}

}  // namespace

// ---- the old one

Result<std::unique_ptr<Successor>> Successor::start(boost::asio::io_context& loop, const std::string& program,
                                                    const std::vector<std::string>& arguments,
                                                    Events events) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return errno_error("make a pair of sockets");
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.insert(words.end(), {kOption, std::to_string(kSocketOfChild)});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kSocketOfChild);
  pid_t pid = 0;
  // Signals stay held back, as they are here: the new program takes them when it is ready to.
  const int rc = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (rc != 0) return error("cannot start " + program + ": " + std::strerror(rc), rc);
  std::unique_ptr<Successor> self{new Successor(loop, std::move(ours), pid, std::move(events))};
  self->hear();
  return self;
}

Successor::Successor(boost::asio::io_context& loop, UniqueFd socket, pid_t pid, Events events)
    : socket_(loop, socket.release()), timer_(loop), pid_(pid), events_(std::move(events)) {}

Successor::~Successor() {
  kill();
}

void Successor::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void Successor::hear() {
  timer_.expires_after(kPrepareBound);
  timer_.async_wait([this](const boost::system::error_code& stopped) {
    if (stopped) return;
    socket_.cancel();
    fail("it was not ready within " + std::to_string(kPrepareBound.count()) + " s");
  });
  socket_.async_wait(socket_.wait_read, [this](const boost::system::error_code& stopped) {
    if (stopped) return;
    timer_.cancel();
    auto heard = hear_from(socket_.native_handle(), {});
    if (!heard) return fail(heard.error().text);
    if (number_of(heard->message, "prepared") != kVersion)
      return fail("it hands over in another way: versions " + std::to_string(kVersion) + " here, and there " +
                  heard->message.value("prepared", json()).dump());
    spdlog::info("hush-backd {} is prepared (process {})", text_of(heard->message, "version"), pid_);
    events_.on_prepared();
  });
}

// What it says of itself comes when it dies, or instead.
void Successor::fail(const std::string& why) {
  kill();
  events_.on_failed(why);
}

Result<void> Successor::say(const json& message, const std::vector<int>& fds) {
  return send(socket_.native_handle(), message, fds);
}

Result<void> Successor::hand_over(const Locks& locks, const std::map<std::string, net::Tap>& taps) {
  using std::chrono::steady_clock;
  const auto stopped = steady_clock::now();
  auto done = say({{"locks", true}}, {locks.run_directory.get(), locks.network.get()});
  for (const auto& [vif, tap] : taps) {
    std::vector<int> queues;
    for (std::size_t i = 0; i < tap.queues(); ++i) queues.push_back(tap.fd(i));
    if (done) done = say({{"tap", vif}}, queues);
  }
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(stopped.time_since_epoch()).count();
  if (done) done = say({{"go", ns}, {"version", HUSH_VERSION}});
  if (done) {
    auto heard = hear_from(socket_.native_handle(), stopped + kServeBound);
    if (!heard)
      done = heard.error();
    else if (!heard->message.contains("serving"))
      done = error("it says what is not expected: " + heard->message.dump(), EPROTO);
  }
  if (done)
    pid_ = 0;
  else
    kill();
  return done;
}

// ---- the new one

Result<Predecessor> Predecessor::at(int socket) {
  int kind = 0;
  socklen_t length = sizeof kind;
  if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &length) != 0 || kind != SOCK_SEQPACKET)
    return error(std::string(Successor::kOption) +
                     " is for hush-backd itself, which starts another one with it: hushctl upgrade",
                 EINVAL);
  Predecessor self(socket);
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  return self;
}

void Predecessor::say(const json& message) const {
  (void)send(socket_.get(), message, {});  // where it is gone nobody asks
}

Result<Predecessor::Handover> Predecessor::prepared() {
  say({{"prepared", Successor::kVersion}, {"version", HUSH_VERSION}});
  Handover handover;
  for (;;) {
    auto heard = hear_from(socket_.get(), Clock::time_point::max());
    if (!heard) return error("the hush-backd before this one: " + heard.error().text, heard.error().code);
    if (heard->message.contains("locks") && heard->fds.size() == 2) {
      handover.locks = {std::move(heard->fds[0]), std::move(heard->fds[1])};
    } else if (heard->message.contains("tap")) {
      handover.taps[text_of(heard->message, "tap")] = std::move(heard->fds);
    } else if (heard->message.contains("go")) {
      handover.stopped = Clock::time_point(std::chrono::nanoseconds(number_of(heard->message, "go")));
      handover.version = text_of(heard->message, "version");
      if (!handover.locks.run_directory) return error("no locks were handed over", EPROTO);
      return handover;
    }
  }
}

void Predecessor::say_serving() {
  say({{"serving", true}});
}

void Predecessor::say_failed(const std::string& why) {
  say({{"failed", why}});
}

// ---- both

Upgrades::Upgrades(boost::asio::io_context& loop, std::vector<std::string> command,
                   std::function<void()> on_prepared)
    : loop_(loop), own_program_(own_program()), on_prepared_(std::move(on_prepared)) {
  // A daemon that came by an upgrade has the option of that behind its arguments.
  for (std::size_t i = 1; i < command.size(); ++i)
    if (command[i] == Successor::kOption)
      ++i;
    else
      arguments_.push_back(std::move(command[i]));
}

Result<pid_t> Upgrades::begin(const std::string& program) {
  if (successor_)
    return error("an upgrade is going on, to process " + std::to_string(successor_->pid()), EBUSY);
  const std::string& path = program.empty() ? own_program_ : program;
  // Nothing of a Successor runs within its own handlers once it is destroyed.
  auto successor = Successor::start(
      loop_, path, arguments_,
      {[this] {
         prepared_ = true;
         on_prepared_();
       },
       [this](const std::string& why) { boost::asio::post(loop_, [this, why] { failed(why); }); }});
  if (!successor) {
    failed(successor.error().text);
    return successor.error();
  }
  successor_ = std::move(*successor);
  reason_.clear();
  spdlog::info("upgrade: started {} (process {})", path, successor_->pid());
  return successor_->pid();
}

void Upgrades::failed(const std::string& why) {
  successor_.reset();
  prepared_ = false;
  reason_ = why;
  spdlog::error("upgrade failed: {}; this hush-backd goes on", why);
}

Result<pid_t> Upgrades::hand_over(const Locks& locks, const std::map<std::string, net::Tap>& taps) {
  const pid_t pid = successor_->pid();
  if (auto done = successor_->hand_over(locks, taps); !done) {
    failed(done.error().text);
    return done.error();
  }
  successor_.reset();
  prepared_ = false;
  return pid;
}

void Upgrades::came(const Predecessor::Handover& from) {
  from_ = from.version.empty() ? "?" : from.version;
  gap_ = std::chrono::duration_cast<std::chrono::microseconds>(Predecessor::Clock::now() - from.stopped);
  spdlog::info("upgrade: serves in the place of hush-backd {}, after {} us", from_, gap_.count());
}

json Upgrades::state() const {
  if (successor_) return {{"state", "preparing"}};
  if (!reason_.empty()) return {{"state", "failed"}, {"reason", reason_}};
  if (!from_.empty()) return {{"state", "done"}, {"from", from_}, {"gap_us", gap_.count()}};
  return {{"state", "none"}};
}

}  // namespace hush::dom0
