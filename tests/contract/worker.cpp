#include "tests/contract/worker.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace hush::contract {

void Worker::start() {
  int commands[2];
  int answers[2];
  if (::pipe2(commands, O_CLOEXEC) != 0 || ::pipe2(answers, O_CLOEXEC) != 0) std::abort();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(commands[0], STDIN_FILENO);
    ::dup2(answers[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "hush-contract-actor", kActorFlag, static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(commands[0]);
  ::close(answers[1]);
  to_ = ::fdopen(commands[1], "w");
  from_ = ::fdopen(answers[0], "r");
}

void Worker::stop() {
  std::fclose(to_);
  std::fclose(from_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void Worker::kill() {
  ::kill(pid_, SIGKILL);
  stop();
  start();
}

Answer Worker::tell(const std::string& line) {
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
  char* text = nullptr;
  size_t room = 0;
  const ssize_t size = ::getline(&text, &room, from_);
  Answer answer{size > 0 ? std::string(text, static_cast<size_t>(size - 1)) : "error 0 (the actor died)"};
  std::free(text);  // NOLINT: getline's
  return answer;
}

}  // namespace hush::contract
