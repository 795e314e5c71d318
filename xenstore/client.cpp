#include "xenstore/client.hpp"

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

#include <cstdlib>

namespace hush::xenstore {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Malloced = std::unique_ptr<T, Free>;

}  // namespace

Result<std::optional<std::string>> View::read(const std::string& path) const {
  unsigned length = 0;
  const Malloced<void> value{xs_read(handle_, transaction_, path.c_str(), &length)};
  if (!value) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return errno_error("xenstore: read " + path);
  }
  return std::optional<std::string>{std::string(static_cast<const char*>(value.get()), length)};
}

Result<std::vector<std::string>> View::list(const std::string& path) const {
  unsigned count = 0;
  const Malloced<char*> names{xs_directory(handle_, transaction_, path.c_str(), &count)};
  if (!names) {
    if (errno == ENOENT) return std::vector<std::string>{};
    return errno_error("xenstore: list " + path);
  }
  return std::vector<std::string>(names.get(), names.get() + count);
}

Result<void> View::write(const std::string& path, const std::string& value) const {
  if (!xs_write(handle_, transaction_, path.c_str(), value.data(), static_cast<unsigned>(value.size())))
    return errno_error("xenstore: write " + path);
  return {};
}

Result<void> View::remove(const std::string& path) const {
  if (!xs_rm(handle_, transaction_, path.c_str()) && errno != ENOENT)
    return errno_error("xenstore: remove " + path);
  return {};
}

Client::Client(boost::asio::io_context& loop, xs_handle* handle)
    : handle_(handle),
      watcher_(std::make_unique<event::FdWatcher>(loop, xs_fileno(handle), [this] { on_readable(); })) {
  watcher_->on();
}

Client::~Client() {
  watcher_.reset();
  xs_close(handle_);
}

Result<std::unique_ptr<Client>> Client::open(boost::asio::io_context& loop) {
  xs_handle* handle = xs_open(0);
  if (!handle)
    return errno_error("cannot reach xenstore (is xenstored running, or in a guest: is xenfs mounted?)");
  return std::unique_ptr<Client>{new Client(loop, handle)};
}

int Client::fd() const {
  return xs_fileno(handle_);
}

Result<void> Client::transact(const std::function<Result<void>(View&)>& body) {
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
  handlers_[path] = std::move(handler);
  if (!xs_watch(handle_, path.c_str(), path.c_str())) {
    handlers_.erase(path);
    return errno_error("xenstore: watch " + path);
  }
  return {};
}

void Client::unwatch(const std::string& path) {
  if (handlers_.erase(path)) xs_unwatch(handle_, path.c_str(), path.c_str());
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
