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

Error lost() {
  return error("xenstored is gone", ENOTCONN);
}

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

Result<std::optional<std::string>> View::read(const std::string& path) const {
  if (!handle_) return lost();
  unsigned length = 0;
  const Malloced<void> value{xs_read(handle_, transaction_, path.c_str(), &length)};
  if (!value) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return errno_error("xenstore: read " + path);
  }
  return std::optional<std::string>{std::string(static_cast<const char*>(value.get()), length)};
}

Result<std::vector<std::string>> View::list(const std::string& path) const {
  if (!handle_) return lost();
  unsigned count = 0;
  const Malloced<char*> names{xs_directory(handle_, transaction_, path.c_str(), &count)};
  if (!names) {
    if (errno == ENOENT) return std::vector<std::string>{};
    return errno_error("xenstore: list " + path);
  }
  return std::vector<std::string>(names.get(), names.get() + count);
}

Result<void> View::write(const std::string& path, const std::string& value) const {
  if (!handle_) return lost();
  if (!xs_write(handle_, transaction_, path.c_str(), value.data(), static_cast<unsigned>(value.size())))
    return errno_error("xenstore: write " + path);
  return {};
}

Result<void> View::remove(const std::string& path) const {
  if (!handle_) return lost();
  if (!xs_rm(handle_, transaction_, path.c_str()) && errno != ENOENT)
    return errno_error("xenstore: remove " + path);
  return {};
}

Result<std::vector<View::Permission>> View::permissions(const std::string& path) const {
  if (!handle_) return lost();
  unsigned count = 0;
  const Malloced<xs_permissions> found{xs_get_permissions(handle_, transaction_, path.c_str(), &count)};
  if (!found) return errno_error("xenstore: permissions of " + path);
  std::vector<Permission> all;
  for (unsigned i = 0; i < count; ++i) all.push_back({found.get()[i].id, found.get()[i].perms});
  return all;
}

Result<void> View::set_permissions(const std::string& path,
                                   const std::vector<Permission>& permissions) const {
  if (!handle_) return lost();
  std::vector<xs_permissions> wanted;
  for (const auto& [domain, rights] : permissions) wanted.push_back({domain, rights});
  if (!xs_set_permissions(handle_, transaction_, path.c_str(), wanted.data(),
                          static_cast<unsigned>(wanted.size())))
    return errno_error("xenstore: set permissions of " + path);
  return {};
}

Client::Client(boost::asio::io_context& loop, xs_handle* handle)
    : loop_(loop),
      handle_(handle),
      watcher_(std::make_unique<event::FdWatcher>(loop, xs_fileno(handle), [this] { on_readable(); })),
      look_timer_(loop) {
  watcher_->on();
}

Client::~Client() {
  line_watcher_.reset();
  watcher_.reset();
  if (handle_) xs_close(handle_);
}

void Client::survive(std::function<void()> on_lost, std::function<void()> on_back) {
  on_lost_ = std::move(on_lost);
  on_back_ = std::move(on_back);
  (void)listen_for_its_end();
}

bool Client::listen_for_its_end() {
  line_ = connect_to_daemon();
  if (!line_) return false;
  line_watcher_ = std::make_unique<event::FdWatcher>(loop_, line_.get(), [this] {
    line_watcher_->off();
    boost::asio::post(loop_, [this] { lose(); });
  });
  line_watcher_->on();
  return true;
}

void Client::lose() {
  line_watcher_.reset();
  watcher_.reset();
  xs_close(std::exchange(handle_, nullptr));
  on_lost_();
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
  if (!listen_for_its_end()) return look_later();
  handle_ = xs_open(0);
  if (!handle_) {
    line_watcher_.reset();
    return look_later();
  }
  watcher_ = std::make_unique<event::FdWatcher>(loop_, xs_fileno(handle_), [this] { on_readable(); });
  watcher_->on();
  for (const auto& [path, handler] : handlers_)
    if (!xs_watch(handle_, path.c_str(), path.c_str())) return lose();  // it has died again
  on_back_();
}

Result<std::unique_ptr<Client>> Client::open(boost::asio::io_context& loop) {
  xs_handle* handle = xs_open(0);
  if (!handle)
    return errno_error("cannot reach xenstore (is xenstored running, or in a guest: is xenfs mounted?)");
  return std::unique_ptr<Client>{new Client(loop, handle)};
}

int Client::fd() const {
  return handle_ ? xs_fileno(handle_) : -1;
}

Result<void> Client::transact(const std::function<Result<void>(View&)>& body) {
  if (!handle_) return lost();
  for (int attempt = 0; attempt < kMaxConflicts; ++attempt) {
    const xs_transaction_t transaction = xs_transaction_start(handle_);
    if (transaction == XBT_NULL) return errno_error("xenstore: start a transaction");
    View view{handle_, transaction};
    if (auto done = body(view); !done) {
      xs_transaction_end(handle_, transaction, true);
      return done;
    }
    if (xs_transaction_end(handle_, transaction, false)) return {};
    if (errno != EAGAIN) return errno_error("xenstore: commit a transaction");
  }
  return error("xenstore: a transaction met a conflict " + std::to_string(kMaxConflicts) + " times", EAGAIN);
}

Result<void> Client::watch(const std::string& path, Handler handler) {
  if (!handle_) return lost();
  handlers_[path] = std::move(handler);
  if (!xs_watch(handle_, path.c_str(), path.c_str())) {
    handlers_.erase(path);
    return errno_error("xenstore: watch " + path);
  }
  return {};
}

void Client::unwatch(const std::string& path) {
  if (handlers_.erase(path) && handle_) xs_unwatch(handle_, path.c_str(), path.c_str());
}

void Client::on_readable() {
  // Bounded: what the handlers posted gets its turn although a peer may write faster than this reads.
  for (int i = 0; i < kEventsPerTurn; ++i) {
    const Malloced<char*> event{xs_check_watch(handle_)};
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
