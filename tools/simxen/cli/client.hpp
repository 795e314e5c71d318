// The command line's own connection to the server, as dom0.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "common/ipc/packet.hpp"
#include "tools/simxen/wire/machine.hpp"
#include "tools/simxen/wire/message.hpp"
#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

class Client {
 public:
  // Throws Failure when no server answers.
  explicit Client(const World& world);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  static bool answers(const World& world);

  // Throws Failure naming what could not be done.
  ipc::Packet ask(const Request& request, const std::string& payload, const std::string& doing);
  ipc::Packet ask(const Request& request, const std::string& doing) { return ask(request, {}, doing); }
  // The errno of the answer instead of an exception.
  int try_ask(const Request& request);
  nlohmann::json report(uint32_t flags = 0);
  // A domain by number or name; throws Failure (status 2) when there is none.
  uint32_t domain(const std::string& text);
  std::string uuid(uint32_t domid);
  Machine& machine() { return *machine_; }
  // Returns when the server has closed the connection.
  void wait_for_end();

 private:
  World world_;
  UniqueFd socket_;
  Machine* machine_ = nullptr;
};

}  // namespace hush::simxen
