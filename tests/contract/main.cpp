// hush-contract: what a world must do, whichever world it is.
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iostream>

#include "tests/contract/actor.hpp"
#include "tests/contract/fixture.hpp"

using namespace hush::contract;  // NOLINT: the program itself

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], kActorFlag) == 0) return Actor::serve();
  ::testing::InitGoogleTest(&argc, argv);
  uint32_t domid = 0;
  if (argc == 3 && std::strcmp(argv[1], "--peer-domid") == 0)
    std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), domid);
  if (domid == 0) {
    if (::testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
    std::cerr << "hush-contract: say which guest runs hush-contract-peer: hush-contract --peer-domid N\n";
    return 2;
  }
  the_peer = std::make_unique<Peer>(domid);
  if (!the_peer->ready()) {
    std::cerr << "hush-contract: no hush-contract-peer answers in domain " << domid
              << "; start it there and run this again\n";
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  the_peer->end();
  the_peer.reset();
  return result;
}
