#include "tools/simxen/cli/client.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/simxen/cli/failure.hpp"

namespace hush::simxen {

bool Client::answers(const World& world) {
  return static_cast<bool>(ipc::connect_packet_socket(world.socket()));
}

Client::Client(const World& world) : world_(world), socket_(ipc::connect_packet_socket(world.socket())) {
  if (!socket_)
    throw Failure("no server answers at " + world.socket() + ": " + std::strerror(errno) +
                  "; start one with 'simxen up --dir " + world.dir + "'");
  const ipc::Packet packet = ask({.op = Op::hello, .domid = 0, .port = kWireVersion}, "simxen",
                                 "greet the server (another version of simxen?)");
  if (packet.fds.empty()) throw Failure("the server at " + world.socket() + " sent no machine");
  void* at = ::mmap(nullptr, sizeof(Machine), PROT_READ | PROT_WRITE, MAP_SHARED, packet.fds[0].get(), 0);
  if (at == MAP_FAILED) throw Failure(std::string("cannot map the machine: ") + std::strerror(errno));
  machine_ = static_cast<Machine*>(at);
}

Client::~Client() {
  if (machine_ != nullptr) ::munmap(machine_, sizeof(Machine));
}

ipc::Packet Client::ask(const Request& request, const std::string& payload, const std::string& doing) {
  ipc::Packet packet;
  Reply reply;
  if (!ipc::send_packet(socket_.get(), ipc::bytes_of(request), std::as_bytes(std::span(payload)), {}) ||
      !ipc::receive_packet(socket_.get(), packet) || !packet.head(reply))
    throw Failure("the server at " + world_.socket() + " went away; its log was " + world_.server_log());
  if (reply.error != 0) throw Failure("cannot " + doing + ": " + std::strerror(reply.error));
  return packet;
}

int Client::try_ask(const Request& request) {
  ipc::Packet packet;
  Reply reply;
  if (!ipc::send_packet(socket_.get(), ipc::bytes_of(request), {}, {}) ||
      !ipc::receive_packet(socket_.get(), packet) || !packet.head(reply))
    return EPIPE;
  return reply.error;
}

nlohmann::json Client::report(uint32_t flags) {
  const ipc::Packet packet = ask({.op = Op::report, .flags = flags}, "get the report");
  if (packet.fds.empty()) throw Failure("the server sent no report");
  std::string text;
  char buffer[65536];
  off_t at = 0;
  for (ssize_t got = 0; (got = ::pread(packet.fds[0].get(), buffer, sizeof buffer, at)) > 0; at += got)
    text.append(buffer, static_cast<size_t>(got));
  return nlohmann::json::parse(text);
}

uint32_t Client::domain(const std::string& text) {
  std::string known;
  const nlohmann::json all = report(kNamesOnly);
  for (const auto& domain : all["domains"]) {
    const auto domid = domain["domid"].get<uint32_t>();
    if (text == std::to_string(domid) || text == domain["name"].get<std::string>()) return domid;
    known += (known.empty() ? "" : ", ") + std::to_string(domid);
  }
  throw Failure("there is no domain '" + text + "' in " + world_.dir + "; there are " + known +
                    " ('simxen create' makes more)",
                kBadArguments);
}

std::string Client::uuid(uint32_t domid) {
  const ipc::Packet packet = ask({.op = Op::list_domains}, "list the domains");
  const auto domains = packet.items<Reply, DomainInfo>();
  const auto found = std::find_if(domains.begin(), domains.end(),
                                  [domid](const DomainInfo& info) { return info.domid == domid; });
  if (found == domains.end()) throw Failure("domain " + std::to_string(domid) + " is gone");
  std::string text;
  for (size_t i = 0; i < sizeof found->uuid; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", found->uuid[i]);
    text += hex;
    if (i == 3 || i == 5 || i == 7 || i == 9) text += '-';
  }
  return text;
}

void Client::wait_for_end() {
  ipc::Packet packet;
  while (ipc::receive_packet(socket_.get(), packet)) {
  }
}

}  // namespace hush::simxen
