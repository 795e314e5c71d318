// Xenstore, over libxenstore: reads, writes, transactions that retry by themselves, watches on an Asio loop.
//
// Works in Dom0, in a guest and in simxen alike. For the control thread only: calls wait for xenstored, and
// the packet path never calls them. Paths that do not start with '/' are relative to /local/domain/<self>.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/event/fd_watcher.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "xenstore/connection.hpp"

namespace hush::xenstore {

class Client;

// Reads and writes, outside or inside one transaction.
class View {
 public:
  // nullopt: there is no such node. Any other failure is an error that names the path.
  Result<std::optional<std::string>> read(const std::string& path) const;
  // Child names; empty where there is no such node.
  Result<std::vector<std::string>> list(const std::string& path) const;
  Result<void> write(const std::string& path, const std::string& value) const;
  // No error where there is no such node.
  Result<void> remove(const std::string& path) const;

  // Who may do what with a node, as <xenstore_lib.h> has it; the first is its owner and what all others may.
  struct Permission {
    unsigned domain;
    unsigned rights;
  };
  Result<std::vector<Permission>> permissions(const std::string& path) const;
  Result<void> set_permissions(const std::string& path, const std::vector<Permission>& permissions) const;

 private:
  friend class Client;
  View(Client& client, std::uint32_t transaction) : client_(client), transaction_(transaction) {}
  Client& client_;
  std::uint32_t transaction_;
};

class Client {
 public:
  // Handlers of watches run on the loop, with the path that changed.
  // Waits for xenstored as long as it takes; what to tell the admin meanwhile goes to `say`, where there is
  // one.
  static Result<std::unique_ptr<Client>> open(boost::asio::io_context& loop,
                                              const std::function<void(const std::string&)>& say = {});
  ~Client();

  // Has it live on when xenstored dies, or leaves a call without an answer for that long: until one answers
  // again all calls fail at once, with ENOTCONN or ETIMEDOUT; then watches are set again, and each fires once
  // as a new one does, also where the new store is empty. on_lost (with what is the matter) and on_back run
  // on the loop. Where the store is reached through the kernel (a guest), it is the kernel that would have to
  // tell of a death, and does not.
  static constexpr std::chrono::milliseconds kPatience{2000};
  void survive(std::function<void(const std::string& why)> on_lost, std::function<void()> on_back,
               std::chrono::milliseconds patience = kPatience);
  // How often it is looked for one that answers, and with how many calls that it never answered at most.
  static constexpr std::chrono::milliseconds kLookEvery{100};
  static constexpr unsigned kMostGivenUp = 8;

  [[nodiscard]] View view() { return {*this, 0}; }
  // Readable when the loop has a watch to take. Owned by the handle; changes when a new xenstored is there.
  [[nodiscard]] int fd() const;

  // Runs body in a transaction until it commits. A conflict runs body again (at most kMaxConflicts times), so
  // body only reads and writes through its view. An error of body aborts and is returned.
  Result<void> transact(const std::function<Result<void>(View&)>& body);
  static constexpr int kMaxConflicts = 100;
  // Watch events taken in one turn of the loop.
  static constexpr int kEventsPerTurn = 64;

  using Handler = std::function<void(const std::string& path)>;
  // Fires once at once, then for each change at or below path. One handler a path.
  Result<void> watch(const std::string& path, Handler handler);
  void unwatch(const std::string& path);

 private:
  friend class View;
  Client(boost::asio::io_context& loop, std::unique_ptr<Connection> connection);
  template <class Call>
  std::invoke_result_t<Call, xs_handle*> ask(Call call);
  void take_watches();
  Result<void> set_watch(const std::string& path);
  void on_readable();
  [[nodiscard]] bool listen_for_its_end();
  void lose(Error why);
  void look_later();
  void come_back();

  boost::asio::io_context& loop_;
  std::unique_ptr<Connection> connection_;  // null: lost
  std::unique_ptr<Connection> coming_;      // where lost: what is to take its place, once it answers
  Error lost_;
  std::unique_ptr<event::FdWatcher> watcher_;
  // The library closes its own socket and says nothing: a second one, on which nothing is ever said, tells.
  UniqueFd line_;
  std::unique_ptr<event::FdWatcher> line_watcher_;
  boost::asio::steady_timer look_timer_;
  std::chrono::milliseconds patience_ = kPatience;
  std::function<void(const std::string& why)> on_lost_;
  std::function<void()> on_back_;
  std::map<std::string, Handler> handlers_;  // the path is the token
};

// Some watches, taken off when it ends. Of the client's thread; the client outlives it.
class Watches {
 public:
  explicit Watches(Client& client) : client_(client) {}
  ~Watches() { clear(); }
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  Result<void> add(const std::string& path, std::function<void()> on_change);
  void clear();
  [[nodiscard]] bool empty() const { return paths_.empty(); }

 private:
  Client& client_;
  std::vector<std::string> paths_;
};

}  // namespace hush::xenstore
