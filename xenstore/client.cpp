#include "xenstore/client.hpp"

extern "C" {  // the header does not say so itself
#include <xenstore.h>
#include <xenstore_lib.h>
}

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/post.hpp>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace hush::xenstore {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Malloced = std::unique_ptr<T, Free>;

// To the socket that the library uses; nothing where there is none, or nobody listens.
UniqueFd connect_to_daemon() {
  const char* path = xs_daemon_socket();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return {};
  std::strcpy(address.sun_path, path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

}  // namespace

// Once it is silent it is let go, but not under the caller.
template <class Call>
std::invoke_result_t<Call, xs_handle*> Client::ask(Call call) {
  if (!connection_) return lost_;
  const bool knew = connection_->silent();
  auto answer = connection_->ask(std::move(call));
  if (connection_->silent() && !knew)
    boost::asio::post(loop_, [this] {
      if (connection_ && connection_->silent()) lose(Connection::silence());
    });
  return answer;
}

Result<std::optional<std::string>> View::read(const std::string& path) const {
  return client_.ask([at = transaction_, path](xs_handle* handle) -> Result<std::optional<std::string>> {
    unsigned length = 0;
    const Malloced<void> value{xs_read(handle, at, path.c_str(), &length)};
    if (!value) {
      if (errno == ENOENT) return std::optional<std::string>{};
      return errno_error("xenstore: read " + path);
    }
    return std::optional<std::string>{std::string(static_cast<const char*>(value.get()), length)};
  });
}

Result<std::vector<std::string>> View::list(const std::string& path) const {
  return client_.ask([at = transaction_, path](xs_handle* handle) -> Result<std::vector<std::string>> {
    unsigned count = 0;
    const Malloced<char*> names{xs_directory(handle, at, path.c_str(), &count)};
    if (!names) {
      if (errno == ENOENT) return std::vector<std::string>{};
      return errno_error("xenstore: list " + path);
    }
    return std::vector<std::string>(names.get(), names.get() + count);
  });
}

Result<void> View::write(const std::string& path, const std::string& value) const {
  return client_.ask([at = transaction_, path, value](xs_handle* handle) -> Result<void> {
    if (!xs_write(handle, at, path.c_str(), value.data(), static_cast<unsigned>(value.size())))
      return errno_error("xenstore: write " + path);
    return {};
  });
}

Result<void> View::remove(const std::string& path) const {
  return client_.ask([at = transaction_, path](xs_handle* handle) -> Result<void> {
    if (!xs_rm(handle, at, path.c_str()) && errno != ENOENT) return errno_error("xenstore: remove " + path);
    return {};
  });
}

Result<std::vector<View::Permission>> View::permissions(const std::string& path) const {
  return client_.ask([at = transaction_, path](xs_handle* handle) -> Result<std::vector<Permission>> {
    unsigned count = 0;
    const Malloced<xs_permissions> found{xs_get_permissions(handle, at, path.c_str(), &count)};
    if (!found) return errno_error("xenstore: permissions of " + path);
    std::vector<Permission> all;
    for (unsigned i = 0; i < count; ++i) all.push_back({found.get()[i].id, found.get()[i].perms});
    return all;
  });
}

Result<void> View::set_permissions(const std::string& path,
                                   const std::vector<Permission>& permissions) const {
  std::vector<xs_permissions> wanted;
  for (const auto& [domain, rights] : permissions) wanted.push_back({domain, rights});
  return client_.ask([at = transaction_, path,
                      wanted = std::move(wanted)](xs_handle* handle) mutable -> Result<void> {
    if (!xs_set_permissions(handle, at, path.c_str(), wanted.data(), static_cast<unsigned>(wanted.size())))
      return errno_error("xenstore: set permissions of " + path);
    return {};
  });
}

Client::Client(boost::asio::io_context& loop, std::unique_ptr<Connection> connection)
    : loop_(loop), connection_(std::move(connection)), look_timer_(loop) {
  take_watches();
}

Client::~Client() {
  line_watcher_.reset();
  watcher_.reset();
}

Result<std::unique_ptr<Client>> Client::open(boost::asio::io_context& loop,
                                             const std::function<void(const std::string&)>& say) {
  auto connection = std::make_unique<Connection>();
  const auto silent = [&say] {
    if (say) say(Connection::silence().text + "; waiting for it");
  };
  if (auto answered = connection->wait_for_answer(kPatience, silent); !answered) return answered.error();
  return std::unique_ptr<Client>{new Client(loop, std::move(connection))};
}

int Client::fd() const {
  return connection_ ? xs_fileno(connection_->handle()) : -1;
}

void Client::take_watches() {
  watcher_ = std::make_unique<event::FdWatcher>(loop_, fd(), [this] { on_readable(); });
  watcher_->on();
}

void Client::survive(std::function<void(const std::string& why)> on_lost, std::function<void()> on_back,
                     std::chrono::milliseconds patience) {
  patience_ = patience;
  on_lost_ = std::move(on_lost);
  on_back_ = std::move(on_back);
  connection_->set_patience(patience_);
  (void)listen_for_its_end();
}

bool Client::listen_for_its_end() {
  line_ = connect_to_daemon();
  if (!line_) return false;
  line_watcher_ = std::make_unique<event::FdWatcher>(loop_, line_.get(), [this] {
    line_watcher_->off();
    boost::asio::post(loop_, [this] { lose(error("xenstored is gone", ENOTCONN)); });
  });
  line_watcher_->on();
  return true;
}

void Client::lose(Error why) {
  line_watcher_.reset();
  watcher_.reset();
  coming_.reset();
  const bool had = std::exchange(connection_, nullptr) != nullptr;
  lost_ = std::move(why);
  if (had) on_lost_(lost_.text);
  look_later();
}

void Client::look_later() {
  look_timer_.expires_after(kLookEvery);
  look_timer_.async_wait([this](const boost::system::error_code& stopped) {
    if (!stopped) come_back();
  });
}

// Not before its socket is there: the library would take the kernel's way to the store, on which all waits
// for ever.
void Client::come_back() {
  if (!coming_) {
    if (Connection::given_up() >= kMostGivenUp || !listen_for_its_end()) return look_later();
    coming_ = std::make_unique<Connection>();
  }
  const auto answered = coming_->answered();
  if (!answered) return look_later();
  if (!*answered) {
    coming_.reset();
    line_watcher_.reset();
    return look_later();
  }
  connection_ = std::move(coming_);
  connection_->set_patience(patience_);
  take_watches();
  for (const auto& [path, handler] : handlers_)
    if (auto set = set_watch(path); !set) return lose(set.error());  // it has died again
  on_back_();
}

Result<void> Client::transact(const std::function<Result<void>(View&)>& body) {
  for (int attempt = 0; attempt < kMaxConflicts; ++attempt) {
    const auto transaction = ask([](xs_handle* handle) -> Result<xs_transaction_t> {
      const xs_transaction_t begun = xs_transaction_start(handle);
      if (begun == XBT_NULL) return errno_error("xenstore: start a transaction");
      return begun;
    });
    if (!transaction) return transaction.error();
    View view{*this, *transaction};
    const auto done = body(view);
    const auto ended = ask([at = *transaction, abort = !done](xs_handle* handle) -> Result<void> {
      if (!xs_transaction_end(handle, at, abort)) return errno_error("xenstore: commit a transaction");
      return {};
    });
    if (!done) return done;
    if (ended || ended.error().code != EAGAIN) return ended;
  }
  return error("xenstore: a transaction met a conflict " + std::to_string(kMaxConflicts) + " times", EAGAIN);
}

Result<void> Client::set_watch(const std::string& path) {
  return ask([path](xs_handle* handle) -> Result<void> {
    if (!xs_watch(handle, path.c_str(), path.c_str())) return errno_error("xenstore: watch " + path);
    return {};
  });
}

Result<void> Client::watch(const std::string& path, Handler handler) {
  if (!connection_) return lost_;
  handlers_[path] = std::move(handler);  // first: it fires at once
  auto set = set_watch(path);
  if (!set) handlers_.erase(path);
  return set;
}

void Client::unwatch(const std::string& path) {
  if (!handlers_.erase(path)) return;
  (void)ask([path](xs_handle* handle) -> Result<void> {
    xs_unwatch(handle, path.c_str(), path.c_str());
    return {};
  });
}

void Client::on_readable() {
  // Bounded: what the handlers posted gets its turn although a peer may write faster than this reads.
  for (int i = 0; i < kEventsPerTurn; ++i) {
    const Malloced<char*> event{xs_check_watch(connection_->handle())};
    if (!event) return;
    const auto found = handlers_.find(event.get()[XS_WATCH_TOKEN]);
    if (found == handlers_.end()) continue;  // unwatched while the event was on its way
    const Handler handler = found->second;   // may unwatch itself
    handler(event.get()[XS_WATCH_PATH]);
  }
}

Result<void> Watches::add(const std::string& path, std::function<void()> on_change) {
  auto done = client_.watch(path, [act = std::move(on_change)](const std::string&) { act(); });
  if (done) paths_.push_back(path);
  return done;
}

void Watches::clear() {
  for (const std::string& path : paths_) client_.unwatch(path);
  paths_.clear();
}

}  // namespace hush::xenstore
