// The sockets and the ring; xenbus_messages.cpp has what is done to the messages.
#include "tools/simxen/server/xenbus.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tools/simxen/server/descriptor.hpp"

namespace hush::simxen {
namespace {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;

// A client that does not read for this long is gone, not slow.
constexpr size_t kMaxUnread = 4 << 20;

}  // namespace

Xenbus::Xenbus(boost::asio::io_context& loop, Domain& domain, std::string path)
    : loop_(loop),
      path_(std::move(path)),
      ring_(reinterpret_cast<xenstore_domain_interface*>(domain.page(kXenstoreGref))),
      to_store_(domain.channel(kStorePort)->notify),
      from_store_(domain.channel(kStorePort)->receive),
      listener_(loop),
      event_(loop) {}

Xenbus::~Xenbus() {
  *alive_ = false;
  ::unlink(path_.c_str());
}

bool Xenbus::start() {
  const int listening = listen_unix(path_, SOCK_STREAM);
  if (listening < 0) return false;
  listener_.assign(listening);
  const int event = ::fcntl(from_store_->get(), F_DUPFD_CLOEXEC, 0);
  if (event < 0) return false;
  event_.assign(event);
  accept();
  wait_for_store();
  return true;
}

void Xenbus::accept() {
  listener_.async_wait(descriptor_base::wait_read, [this, alive = alive_](const error_code& error) {
    if (error || !*alive) return;
    const int fd = ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      auto client = std::make_shared<Client>(boost::asio::posix::stream_descriptor(loop_, fd));
      client->id = next_client_++;
      clients_[client->id] = client;
      read(client);
    }
    accept();
  });
}

void Xenbus::read(const std::shared_ptr<Client>& client) {
  client->socket.async_wait(
      descriptor_base::wait_read, [this, client, alive = alive_](const error_code& error) {
        if (error || !*alive || clients_.count(client->id) == 0) return;
        char buffer[8192];
        const ssize_t got = ::read(client->socket.native_handle(), buffer, sizeof buffer);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
          drop(client);
          return;
        }
        if (got > 0) client->in.append(buffer, static_cast<size_t>(got));
        for (;;) {
          StoreMessage message;
          const Cut cut = cut_message(client->in, message);
          if (cut == Cut::none) break;
          if (cut == Cut::bad || !from_client(*client, std::move(message))) {
            drop(client);
            return;
          }
        }
        pump();
        read(client);
      });
}

void Xenbus::write(const std::shared_ptr<Client>& client) {
  if (client->writing || client->out.empty()) return;
  const ssize_t sent = ::send(client->socket.native_handle(), client->out.data(), client->out.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) client->out.erase(0, static_cast<size_t>(sent));
  // What cannot be sent is dropped when the read side sees the end.
  if (client->out.empty() || (sent < 0 && errno != EAGAIN)) return;
  if (client->out.size() > kMaxUnread) {
    drop(client);
    return;
  }
  client->writing = true;
  client->socket.async_wait(descriptor_base::wait_write,
                            [this, client, alive = alive_](const error_code& error) {
                              client->writing = false;
                              if (!error && *alive && clients_.count(client->id) != 0) write(client);
                            });
}

void Xenbus::drop(const std::shared_ptr<Client>& client) {
  clients_.erase(client->id);
  for (const auto& [token, watch] : client->watches) {
    StoreMessage gone;
    gone.head.type = XS_UNWATCH;
    gone.body = StoreMessage::two_strings(watch.first, token);
    forward(0, gone);
  }
  for (const uint32_t transaction : client->transactions) {
    StoreMessage abort;
    abort.head.type = XS_TRANSACTION_END;
    abort.head.tx_id = transaction;
    abort.body = std::string("F") + '\0';
    forward(0, abort);
  }
  error_code ignored;
  client->socket.close(ignored);
  pump();
}

void Xenbus::wait_for_store() {
  event_.async_wait(descriptor_base::wait_read, [this, alive = alive_](const error_code& error) {
    if (error || !*alive) return;
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_.native_handle(), &count, sizeof count);
    pump();
    wait_for_store();
  });
}

void Xenbus::pump() {
  bool moved = false;
  for (bool again = true; again;) {
    again = false;
    if (!to_ring_.empty() && ring_.put(to_ring_)) moved = again = true;
    if (ring_.take(from_ring_)) moved = again = true;
    for (;;) {
      StoreMessage message;
      const Cut cut = cut_message(from_ring_, message);
      if (cut == Cut::bad) {
        spdlog::error("{}: the store sent a message that is too long", path_);
        from_ring_.clear();
      }
      if (cut != Cut::one) break;
      from_store(std::move(message));
    }
  }
  if (moved) simxen::raise(to_store_);
}

}  // namespace hush::simxen
