#include "tools/simxen/server/server.hpp"

#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/simxen/server/descriptor.hpp"

namespace hush::simxen {

Server::Server(World world) : world_(std::move(world)) {}

Server::~Server() {
  ::unlink(world_.socket().c_str());
  if (machine_ != nullptr) ::munmap(machine_, sizeof(Machine));
}

bool Server::start(const std::string& store, const std::string& preload) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  machine_fd_.reset(::memfd_create("simxen-machine", MFD_CLOEXEC));
  if (!machine_fd_ || ::ftruncate(machine_fd_.get(), sizeof(Machine)) != 0) {
    spdlog::error("cannot make the machine's shared memory: {}", std::strerror(errno));
    return false;
  }
  void* at = ::mmap(nullptr, sizeof(Machine), PROT_READ | PROT_WRITE, MAP_SHARED, machine_fd_.get(), 0);
  if (at == MAP_FAILED) {
    spdlog::error("cannot map the machine's shared memory: {}", std::strerror(errno));
    return false;
  }
  machine_ = static_cast<Machine*>(at);
  machine_->version = kWireVersion;
  hypervisor_ = std::make_unique<Hypervisor>(*machine_);
  hypervisor_->create_domain(0, "Domain-0");

  const int listening = listen_unix(world_.socket(), SOCK_SEQPACKET);
  if (listening < 0) {
    spdlog::error("cannot listen at {}: {}", world_.socket(), std::strerror(errno));
    return false;
  }
  listener_.assign(listening);
  accept();
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) signals_.add(signal);
  look_at_store();
  store_ = std::make_unique<StoreProcess>();
  if (!store_->start(world_, store, preload)) {
    spdlog::error("cannot start {}: {}", store, std::strerror(errno));
    return false;
  }
  return true;
}

void Server::run() {
  loop_.run();
}

// A child died (the store, most likely), or somebody wants us gone.
void Server::look_at_store() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal != SIGCHLD) {
      loop_.stop();
      return;
    }
    if (store_ && store_->reap()) {
      spdlog::warn("{} ended: {}", store_->name(), store_->how_it_ended());
      store_failed_ = true;
      for (const uint32_t id : waiting_for_store_) {
        Answer late;
        late.reply.error = ECHILD;
        if (const auto found = sessions_.find(id); found != sessions_.end()) answer(*found->second, late);
      }
      waiting_for_store_.clear();
    }
    look_at_store();
  });
}

void Server::accept() {
  listener_.async_wait(
      boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
        if (error) return;
        const int fd = ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
          auto session = std::make_shared<Session>(boost::asio::posix::stream_descriptor(loop_, fd));
          session->id = next_session_++;
          ucred peer{};
          socklen_t size = sizeof peer;
          if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) session->pid = peer.pid;
          // A request or an answer with the references of some ten thousand pages has to fit.
          const int bytes = 1 << 20;
          ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
          sessions_[session->id] = session;
          receive(session);
        } else if (errno != EAGAIN && errno != ECONNABORTED) {
          spdlog::error("cannot take a client: {}", std::strerror(errno));
        }
        accept();
      });
}

void Server::receive(const std::shared_ptr<Session>& session) {
  session->socket.async_wait(
      boost::asio::posix::descriptor_base::wait_read,
      [this, session](const boost::system::error_code& error) {
        if (error || sessions_.count(session->id) == 0) return;
        ipc::Packet packet;
        while (ipc::receive_packet(session->socket.native_handle(), packet, MSG_DONTWAIT)) {
          ++session->requests;
          answer(*session, handle(*session, packet));
          if (sessions_.count(session->id) == 0) return;
        }
        if (errno != EAGAIN) {
          end(session);
          return;
        }
        receive(session);
      });
}

void Server::answer(Session& session, const Answer& answer) {
  if (answer.deferred) return;
  std::vector<int> fds = answer.fds;
  if (answer.owned) fds.push_back(answer.owned.get());
  if (!ipc::send_packet(session.socket.native_handle(), ipc::bytes_of(answer.reply), answer.payload, fds,
                        MSG_DONTWAIT) &&
      errno != EPIPE && errno != ECONNRESET)
    spdlog::error("{} ({}) could not be answered: {}", session.name, session.pid, std::strerror(errno));
}

void Server::end(const std::shared_ptr<Session>& session) {
  sessions_.erase(session->id);
  waiting_for_store_.erase(session->id);
  hypervisor_->end_session(session->id);
  drain_later();
  boost::system::error_code ignored;
  session->socket.close(ignored);
}

void Server::drain_later() {
  if (draining_ || !hypervisor_->drain()) return;
  draining_ = true;
  drain_timer_.expires_after(std::chrono::milliseconds(1));
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    draining_ = false;
    if (!error) drain_later();
  });
}

void Server::notify_later(const EventFd& event, uint32_t microseconds) {
  auto timer = std::make_shared<boost::asio::steady_timer>(loop_, std::chrono::microseconds(microseconds));
  timer->async_wait([timer, event](const boost::system::error_code& error) {
    if (!error) simxen::raise(event);
  });
}

}  // namespace hush::simxen
