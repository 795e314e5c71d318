// One client process: its socket, and who it said it is.
#pragma once

#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <string>

namespace hush::simxen {

struct Session {
  explicit Session(boost::asio::posix::stream_descriptor descriptor) : socket(std::move(descriptor)) {}

  boost::asio::posix::stream_descriptor socket;
  uint32_t id = 0;
  pid_t pid = 0;
  bool greeted = false;
  uint32_t domid = 0;
  std::string name;
  uint64_t requests = 0;
};

}  // namespace hush::simxen
