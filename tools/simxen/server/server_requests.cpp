// What each request does.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/simxen/server/processes.hpp"
#include "tools/simxen/server/server.hpp"

namespace hush::simxen {

Server::Answer Server::handle(Session& session, const ipc::Packet& packet) {
  Answer answer;
  Request request;
  if (!packet.head(request)) {
    answer.reply.error = EPROTO;
    return answer;
  }
  if (request.op == Op::hello) return greet(session, request, packet);
  const Caller caller{session.id, request.handle, hypervisor_->domain(request.as)};
  if (!session.greeted || !caller.domain) {
    // The domain in whose name this is asked was destroyed.
    answer.reply.error = session.greeted ? ESRCH : EPROTO;
    return answer;
  }
  switch (request.op) {
    case Op::share:
    case Op::unshare:
    case Op::map:
    case Op::unmap:
    case Op::open_domain:
      handle_grants(caller, request, packet, answer);
      break;
    case Op::close_handle:
    case Op::bind_unbound:
    case Op::bind_interdomain:
    case Op::bind_virq:
    case Op::unbind:
    case Op::notify_later:
    case Op::adopt_handle:
      handle_events(caller, request, answer);
      break;
    default:
      if (request.as != 0)
        answer.reply.error = EPERM;
      else
        handle_domains(session, request, packet, answer);
  }
  return answer;
}

Server::Answer Server::greet(Session& session, const Request& request, const ipc::Packet& packet) {
  Answer answer;
  if (request.port != kWireVersion) {
    answer.reply.error = EPROTONOSUPPORT;
  } else if (!hypervisor_->domain(request.domid)) {
    answer.reply.error = ESRCH;
  } else {
    // A resumed session is the same process after an exec: what an exec ends, ends now.
    if (session.greeted) hypervisor_->exec_session(session.id);
    session.greeted = true;
    session.domid = request.domid;
    session.name.assign(reinterpret_cast<const char*>(packet.bytes.data()) + sizeof(Request),
                        packet.bytes.size() - sizeof(Request));
    answer.reply.id = session.id;
    answer.reply.value = static_cast<uint32_t>(session.requests + 1)
                         << 12;  // handle numbers above the old image's
    answer.fds.push_back(machine_fd_.get());
  }
  return answer;
}

void Server::handle_grants(const Caller& caller, const Request& request, const ipc::Packet& packet,
                           Answer& answer) {
  int& error = answer.reply.error;
  switch (request.op) {
    case Op::share: {
      std::vector<uint32_t> grefs;
      error = hypervisor_->share(caller, request, answer.reply.id, grefs);
      answer.reply.value = caller.domain->incarnation();
      answer.append(grefs);
      break;
    }
    case Op::unshare:
      error = hypervisor_->unshare(caller, request.id);
      drain_later();
      break;
    case Op::map: {
      const auto names = packet.items<Request, GrantName>();
      std::vector<uint32_t> incarnations;
      error = hypervisor_->map(caller, request, names, answer.reply.id, incarnations);
      answer.append(incarnations);
      break;
    }
    case Op::unmap:
      error = hypervisor_->unmap(caller, request.id);
      drain_later();
      break;
    default: {
      const auto domain = hypervisor_->domain(request.domid);
      if (!domain) {
        error = ESRCH;
        break;
      }
      answer.reply.value = domain->incarnation();
      answer.fds = {domain->memory(), domain->memory_readonly(), domain->table_fd()};
    }
  }
}

void Server::handle_events(const Caller& caller, const Request& request, Answer& answer) {
  int& error = answer.reply.error;
  EventChannel* channel = nullptr;
  switch (request.op) {
    case Op::bind_unbound:
      error = hypervisor_->bind_unbound(caller, request.domid, channel);
      break;
    case Op::bind_interdomain:
      error = hypervisor_->bind_interdomain(caller, request.domid, request.port, channel);
      break;
    case Op::bind_virq:
      error = hypervisor_->bind_virq(caller, request.port, channel);
      break;
    case Op::unbind:
      error = hypervisor_->unbind(caller, request.port);
      return;
    case Op::notify_later:
      channel = caller.domain->channel(request.port);
      if (channel == nullptr)
        error = ENOTCONN;
      else
        notify_later(channel->notify, request.count);
      return;
    case Op::adopt_handle:
      adopt(caller, request, answer);
      return;
    default:
      hypervisor_->close_handle(caller.session, caller.handle);
      return;
  }
  if (error != 0) return;
  answer.reply.value = channel->port;
  answer.fds = {channel->receive->get(), channel->notify->get()};
  if (request.op != Op::bind_interdomain || request.as != 0 || request.domid != 0 ||
      request.port != kStorePort)
    return;
  // The store bound dom0's own channel: it listens from now on.
  store_failed_ = false;
  for (const uint32_t id : waiting_for_store_)
    if (const auto found = sessions_.find(id); found != sessions_.end())
      this->answer(*found->second, Answer{});
  waiting_for_store_.clear();
}

void Server::adopt(const Caller& caller, const Request& request, Answer& answer) {
  std::vector<uint32_t> ports;
  for (const auto& [port, channel] : caller.domain->channels()) {
    if (port < request.port || channel->session != caller.session || channel->handle != caller.handle)
      continue;
    ports.push_back(port);
    answer.fds.push_back(channel->receive->get());
    answer.fds.push_back(channel->notify->get());
    if (ports.size() == kPortsPerAdopt) break;
  }
  answer.append(ports);
}

void Server::handle_domains(Session& session, const Request& request, const ipc::Packet& packet,
                            Answer& answer) {
  int& error = answer.reply.error;
  const auto domain = hypervisor_->domain(request.domid);
  switch (request.op) {
    case Op::list_domains: {
      std::vector<DomainInfo> list;
      for (const auto& [domid, each] : hypervisor_->domains()) {
        DomainInfo info{.domid = domid,
                        .paused = each->paused,
                        .shutdown = each->shut_down,
                        .unused = 0,
                        .shutdown_reason = each->shutdown_reason,
                        .pages = kGrants,
                        .uuid = {}};
        std::copy(each->uuid().begin(), each->uuid().end(), info.uuid);
        list.push_back(info);
      }
      answer.append(list);
      return;
    }
    case Op::create_domain: {
      const std::string name(reinterpret_cast<const char*>(packet.bytes.data()) + sizeof(Request),
                             packet.bytes.size() - sizeof(Request));
      error = create_domain(request.domid, name, answer.reply.value);
      return;
    }
    case Op::report:
      answer.owned = report(request.flags);
      if (!answer.owned) error = errno;
      return;
    case Op::set_grant_limit:
      hypervisor_->set_grant_limit(request.domid, request.count);
      return;
    case Op::wait_store: {
      const EventChannel* channel = hypervisor_->domain(0)->channel(kStorePort);
      if (store_failed_)
        error = ECHILD;
      else if (channel->state != EventChannel::State::interdomain) {
        waiting_for_store_.insert(session.id);
        answer.deferred = true;
      }
      return;
    }
    case Op::shutdown:
      loop_.stop();
      return;
    default:
      break;
  }
  if (!domain || request.domid == 0) {
    error = domain ? EINVAL : ESRCH;
    return;
  }
  switch (request.op) {
    case Op::destroy_domain:
      error = destroy_domain(request.domid);
      break;
    case Op::pause_domain:
    case Op::unpause_domain:
      domain->paused = request.op == Op::pause_domain;
      signal_domain(request.domid, domain->paused ? SIGSTOP : SIGCONT);
      break;
    case Op::crash_domain:
      hypervisor_->crash_domain(*domain);
      signal_domain(request.domid, SIGKILL);
      break;
    default:
      error = EPROTO;
  }
}

int Server::create_domain(uint32_t domid, const std::string& name, uint32_t& store_port) {
  if (const int reason = hypervisor_->create_domain(domid, name)) return reason;
  const auto domain = hypervisor_->domain(domid);
  auto xenbus = std::make_unique<Xenbus>(loop_, *domain, world_.xenbus(domid));
  if (!xenbus->start()) {
    const int reason = errno;
    hypervisor_->destroy_domain(domid);
    return reason;
  }
  xenbuses_[domid] = std::move(xenbus);
  store_port = kStorePort;
  return 0;
}

int Server::destroy_domain(uint32_t domid) {
  xenbuses_.erase(domid);
  const int error = hypervisor_->destroy_domain(domid);
  signal_domain(domid, SIGKILL);
  drain_later();
  return error;
}

void Server::signal_domain(uint32_t domid, int signal) {
  for (const auto& [id, session] : sessions_)
    if (session->domid == domid && session->greeted && session->pid > 0) ::kill(session->pid, signal);
  signal_started_in(world_, domid, signal);
}

}  // namespace hush::simxen
