// One hush-backd gives way to another, which may be of another version, while guests stay connected (hushctl
// upgrade, SIGUSR2).
//
// The old one starts the new program. That prepares all that disturbs nobody and says so; then the old one
// lets its vifs go and hands over locks and TAPs, and the new one takes the vifs up as it would after a
// death, but for interfaces that never were without a descriptor. Where it does not say within kServeBound
// that it serves, it is killed and the old one takes the vifs up again. So guests see a pause in either case.
//
// Over a SOCK_SEQPACKET pair, JSON, of which more may be said by later versions:
//   new to old  {"prepared": kVersion, "version": TEXT}; {"serving": true}; or at any time {"failed": WHY},
//   and it ends old to new  {"locks": true} with two descriptors (run directory, network); {"tap": VIF} with
//   those of its queues,
//               for each; {"go": NS, "version": TEXT}: on CLOCK_MONOTONIC, when the old one stopped serving
// Control thread only.
#pragma once
#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/net/tap.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hush::dom0 {

// What holds a daemon's place, of dom0/preflight.
struct Locks {
  UniqueFd run_directory, network;
};

// The new daemon, as the old one sees it.
class Successor {
 public:
  static constexpr int kVersion = 1;
  // Until it is prepared, while the old one still serves; and then until it serves, while nobody does.
  static constexpr std::chrono::seconds kPrepareBound{30}, kServeBound{10};
  // Of the new program's command line, with the number of its socket behind it.
  static constexpr char kOption[] = "--successor-of";

  struct Events {  // one of them, once; not from within start()
    std::function<void()> on_prepared;
    std::function<void(const std::string& why)> on_failed;
  };
  static Result<std::unique_ptr<Successor>> start(boost::asio::io_context& loop, const std::string& program,
                                                  const std::vector<std::string>& arguments, Events events);
  // Kills it, unless it serves.
  ~Successor();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // After on_prepared, when nothing is served any more. Success: it serves. The caller's locks and TAPs stay
  // its own. Blocks, kServeBound at most.
  Result<void> hand_over(const Locks& locks, const std::map<std::string, net::Tap>& taps);

 private:
  Successor(boost::asio::io_context& loop, UniqueFd socket, pid_t pid, Events events);
  void hear();
  void fail(const std::string& why);
  Result<void> say(const nlohmann::json& message, const std::vector<int>& fds = {});
  void kill();

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer timer_;
  pid_t pid_;  // 0: it has ended, or is on its own
  Events events_;
};

// The old daemon, as the new one sees it.
class Predecessor {
 public:
  using Clock = std::chrono::steady_clock;
  struct Handover {
    Locks locks;
    std::map<std::string, std::vector<UniqueFd>> taps;  // queues of each vif
    Clock::time_point stopped;                          // when it served last
    std::string version;
  };
  // socket: what kOption said; checked.
  static Result<Predecessor> at(int socket);

  // Ready to take over. Blocks until the old one has let go; fails where it does not, and then nothing is to
  // be served.
  Result<Handover> prepared();
  void say_serving();
  void say_failed(const std::string& why);

 private:
  explicit Predecessor(int socket) : socket_(socket) {}
  void say(const nlohmann::json& message) const;
  UniqueFd socket_;
};

// The upgrades of this daemon: at most one at a time.
class Upgrades {
 public:
  // command: this program's own, arguments included. on_prepared: serving is to end now, for hand_over().
  Upgrades(boost::asio::io_context& loop, std::vector<std::string> command,
           std::function<void()> on_prepared);

  // Starts one, to the program at this path; empty: to what lies now where this one was started from. Fails
  // with EBUSY where one is going on.
  Result<pid_t> begin(const std::string& program);
  [[nodiscard]] bool prepared() const { return prepared_; }
  // As Successor::hand_over; whatever comes of it, that upgrade has ended then.
  Result<pid_t> hand_over(const Locks& locks, const std::map<std::string, net::Tap>& taps);
  // This daemon came by one.
  void came(const Predecessor::Handover& from);

  // {"state": "none" | "preparing" | "failed" | "done"}, with "reason" where it failed, and "from" (a
  // version) and "gap_us" where it is done: of this daemon's last one.
  [[nodiscard]] nlohmann::json state() const;

 private:
  void failed(const std::string& why);

  boost::asio::io_context& loop_;
  std::string own_program_;
  std::vector<std::string> arguments_;
  std::function<void()> on_prepared_;
  std::unique_ptr<Successor> successor_;
  bool prepared_ = false;
  std::string reason_;  // why the last one failed
  std::string from_;    // the version of the daemon before, where there was an upgrade
  std::chrono::microseconds gap_{};
};

}  // namespace hush::dom0
