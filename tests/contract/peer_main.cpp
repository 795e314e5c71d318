// hush-contract-peer: does in its domain what hush-contract, in Dom0, asks for.
#include <cstring>
#include <iostream>
#include <string>

#include "tests/contract/actor.hpp"
#include "tests/contract/mailbox.hpp"
#include "tests/contract/worker.hpp"

using namespace hush::contract;  // NOLINT: the program itself

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], kActorFlag) == 0) return Actor::serve();
  if (argc != 1) {
    std::cerr
        << "hush-contract-peer: takes no arguments; start it in the guest, then hush-contract in Dom0\n";
    return 2;
  }
  Mailbox mailbox("data/hush-contract", "command", "answer");
  if (!mailbox.open()) {
    std::cerr << "hush-contract-peer: no xenstore here (" << std::strerror(errno)
              << "); it runs in a guest of Xen or under 'simxen run --domain N'\n";
    return 1;
  }
  Worker worker;
  unsigned done = 0;
  std::string text;
  mailbox.clear();  // what a killed run left is for nobody
  mailbox.put(0, "ready");
  for (;;) {
    mailbox.await(done + 1, done, text);
    if (text == "end") {
      mailbox.put(done, "ok");
      return 0;
    }
    if (text == "kill") worker.kill();
    mailbox.put(done, text == "kill" ? "ok" : worker.tell(text).text);
  }
}
