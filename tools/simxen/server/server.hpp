// The server: accepts client processes, answers their requests one by one, and notices their deaths.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/ipc/packet.hpp"
#include "tools/simxen/server/hypervisor.hpp"
#include "tools/simxen/server/session.hpp"
#include "tools/simxen/server/store_process.hpp"
#include "tools/simxen/server/xenbus.hpp"
#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

class Server {
 public:
  explicit Server(World world);
  ~Server();

  // Makes the machine, dom0 and the socket. False with a line on standard error.
  bool start(const std::string& store, const std::string& preload);
  // Serves until shutdown or a signal.
  void run();

 private:
  struct Answer {
    Reply reply;
    std::vector<std::byte> payload;
    std::vector<int> fds;
    UniqueFd owned;         // a descriptor made for this answer alone
    bool deferred = false;  // sent later

    template <typename Items>
    void append(const Items& items) {
      const auto bytes = std::as_bytes(std::span(items));
      payload.insert(payload.end(), bytes.begin(), bytes.end());
    }
  };

  void accept();
  void receive(const std::shared_ptr<Session>& session);
  void end(const std::shared_ptr<Session>& session);
  void answer(Session& session, const Answer& answer);

  // Requests (server_requests.cpp)
  Answer handle(Session& session, const ipc::Packet& packet);
  Answer greet(Session& session, const Request& request, const ipc::Packet& packet);
  void handle_grants(const Caller& caller, const Request& request, const ipc::Packet& packet, Answer& answer);
  void handle_events(const Caller& caller, const Request& request, Answer& answer);
  void handle_domains(Session& session, const Request& request, const ipc::Packet& packet, Answer& answer);
  void adopt(const Caller& caller, const Request& request, Answer& answer);
  int create_domain(uint32_t domid, const std::string& name, uint32_t& store_port);
  int destroy_domain(uint32_t domid);
  void notify_later(const EventFd& event, uint32_t microseconds);
  void signal_domain(uint32_t domid, int signal);
  void drain_later();
  void look_at_store();
  UniqueFd report(uint32_t flags) const;

  World world_;
  boost::asio::io_context loop_;
  boost::asio::posix::stream_descriptor listener_{loop_};
  boost::asio::signal_set signals_{loop_};
  boost::asio::steady_timer drain_timer_{loop_};
  bool draining_ = false;
  UniqueFd machine_fd_;
  Machine* machine_ = nullptr;
  std::unique_ptr<Hypervisor> hypervisor_;
  std::map<uint32_t, std::shared_ptr<Session>> sessions_;
  std::map<uint32_t, std::unique_ptr<Xenbus>> xenbuses_;
  std::set<uint32_t> waiting_for_store_;
  std::unique_ptr<StoreProcess> store_;
  bool store_failed_ = false;
  uint32_t next_session_ = 1;
};

}  // namespace hush::simxen
