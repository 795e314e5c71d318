// The area path with a peer that writes anything: a consumer whose ring's bytes and words are the fuzzer's, a
// producer whose consumer's words are, an end that moves to other areas meanwhile, and the header and grefs
// that a back end judges. Each call is held
// against the specification (common/area/README.md): what is handed out lies within the ring and its limits,
// nothing that is not consumed is written over, each word is looked at no more often than is needed, and a
// fault is final.
#include "tests/fuzz/area/consumer_play.hpp"
#include "tests/fuzz/area/header_play.hpp"
#include "tests/fuzz/area/pair_play.hpp"
#include "tests/fuzz/area/producer_play.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hush::fuzz;
  Input input(data, size);
  switch (input.byte() % 8) {
    case 0:
      HeaderPlay(input).run();
      break;
    case 1:
      ProducerPlay(input).run();
      break;
    case 6:
    case 7:
      PairPlay(input).run();
      break;
    default:
      ConsumerPlay(input).run();
  }
  return 0;
}
