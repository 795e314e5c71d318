// A domain's xenbus device: many clients on one socket file, one ring to the store.
//
// What the kernel's xenbus driver does for /dev/xen/xenbus: request numbers and watch tokens are replaced on
// the way, a transaction belongs to the client that began it, and what a client leaves behind is cleaned up
// when it goes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "tools/simxen/server/domain.hpp"
#include "tools/simxen/server/store_message.hpp"
#include "tools/simxen/server/store_ring.hpp"

namespace hush::simxen {

class Xenbus {
 public:
  Xenbus(boost::asio::io_context& loop, Domain& domain, std::string path);
  ~Xenbus();
  Xenbus(const Xenbus&) = delete;
  Xenbus& operator=(const Xenbus&) = delete;

  // False with errno.
  bool start();

 private:
  struct Client {
    explicit Client(boost::asio::posix::stream_descriptor descriptor) : socket(std::move(descriptor)) {}
    boost::asio::posix::stream_descriptor socket;
    uint32_t id = 0;
    std::string in;
    std::string out;
    bool writing = false;
    std::set<uint32_t> transactions;
    std::map<std::string, std::pair<std::string, std::string>> watches;  // our token -> path, its token
  };
  struct Pending {
    uint32_t client = 0;
    uint32_t req_id = 0;
    uint32_t tx_id = 0;
    std::string token;  // of a watch
  };

  void accept();
  void read(const std::shared_ptr<Client>& client);
  void write(const std::shared_ptr<Client>& client);
  void drop(const std::shared_ptr<Client>& client);
  void wait_for_store();
  void pump();

  bool from_client(Client& client, StoreMessage message);
  void from_store(StoreMessage message);
  void forward(uint32_t client, const StoreMessage& message, std::string token = {});
  void reply(Client& client, const StoreMessage& message);
  void refuse(Client& client, const StoreMessage& message, const char* reason);
  void watch(Client& client, StoreMessage message);
  void unwatch(Client& client, StoreMessage message);

  boost::asio::io_context& loop_;
  std::string path_;
  StoreRing ring_;
  EventFd to_store_;
  EventFd from_store_;
  boost::asio::posix::stream_descriptor listener_;
  boost::asio::posix::stream_descriptor event_;
  std::map<uint32_t, std::shared_ptr<Client>> clients_;
  std::map<uint32_t, Pending> pending_;
  std::string to_ring_;
  std::string from_ring_;
  uint32_t next_client_ = 1;
  uint32_t next_request_ = 1;
  uint32_t next_watch_ = 1;
  // Handlers still queued in the loop when this is destroyed must not touch it.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace hush::simxen
