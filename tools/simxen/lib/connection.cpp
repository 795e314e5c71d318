#include "tools/simxen/lib/connection.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {
namespace {

constexpr const char* kResume =
    "SIMXEN_RESUME";  // "<pid> <fd>": the socket left by this process's earlier image

uint32_t environment_domid() {
  const char* text = std::getenv("SIMXEN_DOMID");
  return text == nullptr ? 0 : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

thread_local int64_t entered_domid = -1;

// Each bound port costs two descriptors here and none on Xen: use what the hard limit allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

UniqueFd inherited_socket() {
  const char* text = std::getenv(kResume);
  if (text == nullptr) return {};
  int pid = 0;
  int fd = -1;
  const bool mine = std::sscanf(text, "%d %d", &pid, &fd) == 2 && pid == ::getpid();
  ::unsetenv(kResume);
  if (fd < 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return {};
  UniqueFd socket(fd);
  if (!mine) socket.reset();  // a child of that process: its identity is not ours
  return socket;
}

}  // namespace

uint32_t acting_domid() {
  static const uint32_t own = environment_domid();
  return entered_domid >= 0 ? static_cast<uint32_t>(entered_domid) : own;
}

Connection& Connection::instance() {
  static Connection* const connection = new Connection;
  return *connection;
}

Connection::Connection() : toolstack_(std::getenv(kToolstack) != nullptr) {
  ::pthread_atfork(&before_fork, &after_fork_parent, &after_fork_child);
}

void Connection::before_fork() {
  instance().mutex_.lock();
}

void Connection::after_fork_parent() {
  instance().mutex_.unlock();
}

void Connection::after_fork_child() {
  Connection& self = instance();
  // The socket is the parent's life: a child that kept it would hide the parent's death.
  self.socket_.reset();
  self.session_ = 0;
  self.generation_.fetch_add(1);
  // The views were not inherited (MADV_DONTFORK): forget them without unmapping what may lie there by now.
  static std::vector<DomainView*> forgotten;  // reachable, so that no leak checker reports them
  for (auto& view : self.views_)
    if (view) forgotten.push_back(view.release());
  static std::vector<std::shared_mutex*> locked_for_ever;
  locked_for_ever.push_back(std::exchange(self.views_mutex_, new std::shared_mutex));
  self.mutex_.unlock();
}

bool Connection::open() {
  const std::lock_guard lock(mutex_);
  return open_locked();
}

bool Connection::open_locked() {
  if (socket_) return true;
  if (UniqueFd old = inherited_socket()) return greet_locked(std::move(old), true);
  const std::string path = World::from_environment().socket();
  UniqueFd fresh = ipc::connect_packet_socket(path);
  if (!fresh) {
    if (!said_missing_)
      std::fprintf(stderr, "simxen: no server answers at %s: %m; start one with 'simxen up'\n", path.c_str());
    said_missing_ = true;
    errno = ENOENT;
    return false;
  }
  raise_descriptor_limit();
  return greet_locked(std::move(fresh), false);
}

bool Connection::greet_locked(UniqueFd socket, bool resumed) {
  Request request{.op = Op::hello, .domid = acting_domid(), .flags = resumed ? 1U : 0U, .port = kWireVersion};
  const std::string name = program_invocation_short_name;
  ipc::Packet packet;
  Reply reply;
  if (!ipc::send_packet(socket.get(), ipc::bytes_of(request), std::as_bytes(std::span(name)), {}) ||
      !ipc::receive_packet(socket.get(), packet) || !packet.head(reply)) {
    errno = ENOENT;
    return false;
  }
  if (reply.error != 0 || packet.fds.empty()) {
    errno = reply.error;
    return false;
  }
  if (machine_ == nullptr) {
    void* at = ::mmap(nullptr, sizeof(Machine), PROT_READ | PROT_WRITE, MAP_SHARED, packet.fds[0].get(), 0);
    if (at == MAP_FAILED) return false;
    machine_ = static_cast<Machine*>(at);
  }
  socket_ = std::move(socket);
  session_ = static_cast<uint32_t>(reply.id);
  if (resumed) next_handle_ = reply.value;
  return true;
}

bool Connection::ask(const Request& request, std::span<const std::byte> payload, ipc::Packet& packet,
                     Reply& reply) {
  const std::lock_guard lock(mutex_);
  if (!open_locked()) return false;
  if (!ipc::send_packet(socket_.get(), ipc::bytes_of(request), payload, {}) ||
      !ipc::receive_packet(socket_.get(), packet) || !packet.head(reply)) {
    errno = EIO;
    return false;
  }
  errno = reply.error;
  return reply.error == 0;
}

bool Connection::ask(const Request& request) {
  ipc::Packet packet;
  Reply reply;
  return ask(request, packet, reply);
}

void Connection::survive_exec() {
  const std::lock_guard lock(mutex_);
  if (!socket_) return;
  ::fcntl(socket_.get(), F_SETFD, 0);
  const std::string text = std::to_string(::getpid()) + " " + std::to_string(socket_.get());
  ::setenv(kResume, text.c_str(), 1);
}

bool Connection::load_view(uint32_t domid, uint32_t incarnation) {
  if (domid >= kDomids) {
    errno = ESRCH;
    return false;
  }
  {
    const std::shared_lock lock(*views_mutex_);
    const DomainView* known = views_[domid].get();
    if (known != nullptr && !known->dead() && (incarnation == 0 || incarnation == known->incarnation()))
      return true;
  }
  ipc::Packet packet;
  Reply reply;
  if (!ask({.op = Op::open_domain, .as = acting_domid(), .domid = domid}, packet, reply)) return false;
  if (packet.fds.size() != 3 || (incarnation != 0 && reply.value != incarnation)) {
    errno = ESRCH;
    return false;
  }
  auto fresh = std::make_unique<DomainView>(reply.value, std::move(packet.fds[0]), std::move(packet.fds[1]),
                                            std::move(packet.fds[2]));
  if (!fresh->usable()) {
    errno = ENOMEM;
    return false;
  }
  const std::unique_lock lock(*views_mutex_);
  views_[domid] = std::move(fresh);
  return true;
}

}  // namespace hush::simxen

SIMXEN_VISIBLE void simxen_enter_domain(uint32_t domid) {
  hush::simxen::entered_domid = domid;
}
