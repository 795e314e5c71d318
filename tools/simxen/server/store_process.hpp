// The real xenstored or oxenstored, run as a child under the preloaded library.
#pragma once

#include <sys/types.h>

#include <string>

#include "tools/simxen/wire/world.hpp"

namespace hush::simxen {

class StoreProcess {
 public:
  StoreProcess() = default;
  ~StoreProcess();
  StoreProcess(const StoreProcess&) = delete;
  StoreProcess& operator=(const StoreProcess&) = delete;

  // Starts the store in a private mount namespace where its fixed paths lead into the world's directory.
  // False with errno.
  bool start(const World& world, const std::string& store, const std::string& preload);
  // True when the child has just ended.
  bool reap();
  const std::string& name() const { return name_; }
  std::string how_it_ended() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  std::string name_;
};

}  // namespace hush::simxen
