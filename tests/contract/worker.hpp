// An actor in a child process of this one.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

#include "tests/contract/answer.hpp"

namespace hush::contract {

// The argument with which either program becomes an actor.
inline constexpr const char* kActorFlag = "--actor";

class Worker : public Party {
 public:
  Worker() { start(); }
  ~Worker() override { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Answer tell(const std::string& line) override;
  void kill() override;

 private:
  void start();
  void stop();

  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

}  // namespace hush::contract
