// hush-liar DEVICE LIE: connects as a front end, tells one lie, and says what became of it.
//
// Last line, and exit status 0: "cut off" (the back end went to Closing), "answered ERROR" (the packet was
// refused, the vif lives: an honest packet after it is answered OKAY), or "served" (the lie harmed nobody and
// the vif lives). tests/hostile/run knows which is right for each lie. `hush-liar --list` prints "LIE OUTCOME
// REASON".
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>

#include "tests/hostile/lying_front.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"

namespace {

using namespace hush;
using hostile::LyingFront;
using xenstore::XenbusState;
namespace key = xenstore::key;

enum class Outcome { cut_off, error, served };

struct Lie {
  Outcome outcome;
  const char* reason;  // part of what hush-backd says; "" where it says nothing
  std::function<void(LyingFront&)> tell;
};

constexpr std::uint32_t kBadGref = 0x00ffffff;
constexpr std::uint16_t kId = 77;

netif::TxRequest slot(const LyingFront& front, std::uint16_t flags, std::uint16_t size,
                      std::uint16_t offset = 0) {
  return {front.data_gref(0), offset, flags, kId, size};
}
netif::TxRequest extra(std::uint8_t type, std::uint8_t flags, netif::GsoBody gso = {}) {
  netif::ExtraInfo info{type, flags, {}};
  std::memcpy(info.body, &gso, sizeof gso);
  netif::TxRequest request{};
  std::memcpy(&request, &info, sizeof info);
  return request;
}
std::function<void(LyingFront&)> forged(std::string name, std::string value) {
  return [=](LyingFront& front) { front.connect({{name, value}}); };
}
// Connects honestly, then sends what make() says.
std::function<void(LyingFront&)> sent(std::function<std::vector<netif::TxRequest>(LyingFront&)> make) {
  return [=](LyingFront& front) {
    front.connect();
    front.wait_for({XenbusState::connected});
    front.send(make(front));
  };
}
std::function<void(LyingFront&)> index(std::function<void(LyingFront&)> forge) {
  return [=](LyingFront& front) {
    front.connect();
    front.wait_for({XenbusState::connected});
    forge(front);
    front.notify();
  };
}

const std::map<std::string, Lie>& lies() {
  using enum Outcome;
  using std::memory_order_seq_cst;
  constexpr auto kMore = netif::tx_flag::kMoreData, kExtra = netif::tx_flag::kExtraInfo;
  static const std::map<std::string, Lie> kLies{
      {"tx-index-ahead", {cut_off, "guest_tx ring index impossible", index([](auto& f) {
                            f.tx_page().req_prod.store(netif::kSlots + 1, memory_order_seq_cst);
                          })}},
      {"tx-index-backwards", {cut_off, "guest_tx ring index impossible", index([](auto& f) {
                                f.tx_page().req_prod.store(UINT32_MAX, memory_order_seq_cst);
                              })}},
      {"rx-index-ahead", {cut_off, "guest_rx ring index impossible", index([](auto& f) {
                            f.rx_page().req_prod.store(0x80000000, memory_order_seq_cst);
                          })}},
      {"tx-ring-gref", {cut_off, "map grant", forged(key::kTxRingRef, std::to_string(kBadGref))}},
      {"rx-ring-gref", {cut_off, "map grant", forged(key::kRxRingRef, std::to_string(kBadGref))}},
      {"tx-ring-text", {cut_off, "not a number", forged(key::kTxRingRef, "eight; rm -rf /")}},
      {"rx-ring-huge", {cut_off, "not a number", forged(key::kRxRingRef, "99999999999999999999")}},
      {"rx-ring-empty", {cut_off, "not a number", forged(key::kRxRingRef, "")}},
      {"event-channel-unbound", {cut_off, "bind event channel", forged(key::kEventChannel, "100000")}},
      {"event-channel-zero", {cut_off, "not a number", forged(key::kEventChannel, "0")}},
      {"event-channel-text", {cut_off, "not a number", forged(key::kEventChannel, "-1")}},
      {"rx-copy-refused", {cut_off, "page flipping", forged(key::kRequestRxCopy, "0")}},
      {"too-many-queues",
       {cut_off, "multi-queue-num-queues", forged(key::kMultiQueueNumQueues, "4000000000")}},
      {"tx-gref", {error, "grant_copy_failed", sent([](auto&) {
                     return std::vector<netif::TxRequest>{{kBadGref, 0, 0, kId, 60}};
                   })}},
      {"tx-offset", {cut_off, "offset_beyond_page", sent([](auto& f) {
                       return std::vector{slot(f, 0, 60, kPageSize - 30)};
                     })}},
      {"tx-offset-max", {cut_off, "offset_beyond_page", sent([](auto& f) {
                           return std::vector{slot(f, 0, 60, UINT16_MAX)};
                         })}},
      {"tx-size-zero",
       {error, "first_slot_too_short", sent([](auto& f) { return std::vector{slot(f, 0, 0)}; })}},
      {"tx-size-short",
       {error, "first_slot_too_short", sent([](auto& f) { return std::vector{slot(f, 0, 13)}; })}},
      {"tx-size-mismatch", {error, "size_mismatch", sent([](auto& f) {
                              return std::vector{slot(f, kMore, 100), slot(f, 0, 200)};
                            })}},
      {"tx-chain-open",
       {cut_off, "chain_beyond_ring", sent([](auto& f) { return std::vector{slot(f, kMore, 100)}; })}},
      {"tx-chain-long", {cut_off, "slots_excessive", sent([](auto& f) {
                           std::vector<netif::TxRequest> chain(40, slot(f, kMore, 100));
                           chain.front().size = 4000;
                           chain.back().flags = 0;
                           return chain;
                         })}},
      {"tx-chain-20", {error, "too_many_slots", sent([](auto& f) {
                         std::vector<netif::TxRequest> chain(20, slot(f, kMore, 100));
                         chain.front().size = 2000;
                         chain.back().flags = 0;
                         return chain;
                       })}},
      {"extra-missing",
       {cut_off, "extra_missing", sent([](auto& f) { return std::vector{slot(f, kExtra, 60)}; })}},
      {"extra-type", {cut_off, "extra_type_unknown", sent([](auto& f) {
                        return std::vector{slot(f, kExtra, 60), extra(200, 0)};
                      })}},
      {"extra-endless", {cut_off, "extra_missing", sent([](auto& f) {
                           std::vector<netif::TxRequest> all(
                               200, extra(netif::extra::kMcastAdd, netif::extra::kMore));
                           all.front() = slot(f, kExtra, 60);
                           return all;
                         })}},
      {"gso-size-zero",
       {cut_off, "gso_size_zero", sent([](auto& f) {
          return std::vector{slot(f, kExtra, 60), extra(netif::extra::kGso, 0, {0, 1, 0, 0})};
        })}},
      {"gso-type", {cut_off, "gso_type_unknown", sent([](auto& f) {
                      return std::vector{slot(f, kExtra, 60), extra(netif::extra::kGso, 0, {1448, 9, 0, 0})};
                    })}},
      {"gso-not-tcp",
       {error, "no_csum_header", sent([](auto& f) {
          return std::vector{slot(f, kExtra, 60), extra(netif::extra::kGso, 0, {1448, 1, 0, 0})};
        })}},
      {"csum-not-ip", {error, "no_csum_header", sent([](auto& f) {
                         return std::vector{slot(f, netif::tx_flag::kCsumBlank, 60)};
                       })}},
      {"rx-gref",
       {served, "",
        [](LyingFront& front) {
          front.connect();
          front.wait_for({XenbusState::connected});
          std::vector<netif::RxRequest> bad(64, {kId, 0, kBadGref});
          front.post(bad);  // the broadcast pings of the test's other guest arrive here and fail
        }}},
      {"event-storm",
       {served, "",
        [](LyingFront& front) {
          front.connect();
          front.wait_for({XenbusState::connected});
          for (int i = 0; i < 100000; ++i) front.notify();
        }}},
      {"same-id", {served, "", sent([](auto& f) { return std::vector(200, slot(f, 0, 60)); })}},
  };
  return kLies;
}

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::cut_off:
      return "cut off";
    case Outcome::error:
      return "answered ERROR";
    case Outcome::served:
      return "served";
  }
  return "";
}

// What became of the lie, as the liar sees it.
Outcome observe(LyingFront& front, const Lie& lie) {
  if (lie.outcome == Outcome::cut_off) {
    front.wait_for({XenbusState::closing, XenbusState::closed});
    return Outcome::cut_off;
  }
  // Then the vif must live: an honest packet is answered, after what was refused before it.
  constexpr std::uint16_t kHonestId = 4242;
  front.send({front.honest(kHonestId)});
  bool refused = false;
  for (;;) {
    const auto answers = front.tx_answers(1);
    if (answers.empty()) return Outcome::cut_off;
    for (const auto& answer : answers) {
      if (answer.id == kHonestId) {
        if (answer.status != netif::status::kOkay) throw std::runtime_error("an honest packet was refused");
        return refused ? Outcome::error : Outcome::served;
      }
      if (answer.status < 0) refused = true;
    }
  }
}

int run(std::uint32_t device, const Lie& lie) {
  LyingFront front(device);
  lie.tell(front);
  const Outcome seen = observe(front, lie);
  front.close();
  std::cout << name(seen) << std::endl;
  return seen == lie.outcome ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const auto& [name_of, lie] : lies())
      std::cout << name_of << '\t' << name(lie.outcome) << '\t' << lie.reason << '\n';
    return 0;
  }
  const auto device =
      argc == 3 ? xenstore::parse_number<std::uint32_t>(argv[1], 0, xenstore::kMaxHandle) : std::nullopt;
  if (!device || !lies().contains(argv[2])) {
    std::cerr << "usage: hush-liar DEVICE LIE | hush-liar --list\n";
    return 2;
  }
  try {
    return run(*device, lies().at(argv[2]));
  } catch (const std::exception& e) {
    std::cerr << "hush-liar: " << e.what() << '\n';
    return 1;
  }
}
