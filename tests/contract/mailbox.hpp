// Commands and answers between Dom0 and the peer, as two nodes of the guest's own "data" directory, which
// both may write: <home>/data/hush-contract/{command,answer} = "<number> <text>".
#pragma once

#include <memory>
#include <string>

#include "tests/contract/xen.hpp"

namespace hush::contract {

class Mailbox {
 public:
  // The directory ("data/hush-contract" in the guest), and which of the two nodes the other side writes.
  Mailbox(std::string directory, const char* reads, const char* writes);

  bool open() const { return store_ != nullptr; }
  // Removes both nodes.
  void clear();
  // Whether the other side's node is there. Once it has answered it stays until the domain goes, with all its
  // nodes.
  bool other_is_there();
  bool put(unsigned number, const std::string& text);
  // The other side's message once its number is at least that. False where its node is gone (number > 0 was
  // asked for), or after the limit, which only a failed test reaches.
  bool get(unsigned at_least, unsigned& number, std::string& text);
  // As get(), without a limit.
  void await(unsigned at_least, unsigned& number, std::string& text);

 private:
  struct Close {
    void operator()(xs_handle* handle) const { xs_close(handle); }
  };
  bool look(unsigned at_least, unsigned& number, std::string& text);
  bool wait(int milliseconds);

  std::string directory_;
  std::string reads_;
  std::string writes_;
  std::unique_ptr<xs_handle, Close> store_;
};

}  // namespace hush::contract
