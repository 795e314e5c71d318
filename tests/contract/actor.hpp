// Does with the C libraries what a line of text says, and answers with a line. One actor is one process, so
// that it can be killed; the same actor works in Dom0 and in the peer's domain.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "tests/contract/xen.hpp"

namespace hush::contract {

class Actor {
 public:
  Actor();
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  // "ok ..." or "error ERRNO".
  std::string act(const std::string& line);
  // Reads lines from standard input and answers on standard output until the end of the input.
  static int serve();

 private:
  struct Range {
    uint8_t* at = nullptr;
    uint32_t pages = 0;
  };
  using Words = std::istringstream;
  using Verb = std::function<std::string(Words&)>;

  void add_grant_verbs();
  void add_event_verbs();
  void add_store_verbs();
  std::string keep(void* at, uint32_t pages);
  std::string wait(int milliseconds);
  xs_handle* store(unsigned number);

  xengnttab_handle* gnttab_;
  xengntshr_handle* gntshr_;
  xenevtchn_handle* evtchn_;
  std::map<unsigned, xs_handle*> stores_;
  std::map<unsigned, Range> ranges_;
  unsigned next_range_ = 1;
  std::map<std::string, Verb> verbs_;
};

}  // namespace hush::contract
