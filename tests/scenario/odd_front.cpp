// hush-odd-front DEVICE STORY: a front end that uses what Linux's netfront does not, for tests/scenario/run.
//
// Says "ready" when the back end is connected and told all that the story tells it; then a line for each
// frame that it receives, "frame QUEUE DESTINATION ETHERTYPE [TYPE HASH]", up to a broadcast of EtherType
// 88b6, then "end". A word on stdin is waited for where a story says so. Exit status 0 unless the back end
// answers wrongly.
#include <bit>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>

#include "common/netif/hash_state.hpp"
#include "tests/scenario/raw_front.hpp"
#include "tests/support/rss_vectors.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"

namespace {

using namespace hush;
using scenario::RawFront;
namespace key = xenstore::key;

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}
void say(const std::string& line) {
  std::cout << line << std::endl;
}
void listen(RawFront& front, const std::string& word = "ready") {
  constexpr unsigned kEnd = 0x88b6;
  say(word);
  for (;;) {
    const auto [queue, frame, hash] = front.receive();
    require(frame.size() >= 14, "a frame of less than a header");
    const unsigned type = frame[12] * 256U + frame[13];
    std::printf("frame %zu %02x:%02x:%02x:%02x:%02x:%02x %04x", queue, frame[0], frame[1], frame[2], frame[3],
                frame[4], frame[5], type);
    if (hash) {
      require(hash->algorithm == netif::hash_algorithm::kToeplitz, "a hash of another algorithm");
      std::printf(" %u %08x", hash->type, std::bit_cast<std::uint32_t>(std::to_array(hash->value)));
    }
    std::printf("\n");
    std::fflush(stdout);  // the story waits for some of them
    if (type == kEnd) return say("end");
  }
}

// As Linux's netfront: follows the back end's Closing with Closed, and stays so.
void netfront(std::uint32_t device) {
  RawFront front(device, 1, false);
  front.connect();
  say("ready");
  front.wait_for(xenstore::XenbusState::closing);
  front.close();
}

// Its list is full with 64 addresses; the last is 01:00:5e:00:01:3f. What is not asked for does not come.
void multicast(std::uint32_t device) {
  RawFront front(device, 1, false);
  front.connect({{key::kRequestMulticastControl, "1"}});
  const auto change = [&](std::uint8_t type, std::uint8_t last) {
    return front.send_extra({type, 0, {1, 0, 0x5e, 0, 1, last}});
  };
  for (std::uint8_t i = 0; i < 64; ++i)
    require(change(netif::extra::kMcastAdd, i) == netif::status::kOkay, "an address was not added");
  require(change(netif::extra::kMcastAdd, 64) == netif::status::kError, "a 65th address was added");
  require(change(netif::extra::kMcastDel, 99) == netif::status::kOkay, "removing nothing is no error");
  require(change(netif::extra::kMcastDel, 0) == netif::status::kOkay, "an address was not removed");
  front.post(0, 32);
  listen(front);
  // Without a reconnect: all of them are wanted again.
  front.write(key::kRequestMulticastControl, "0");
  listen(front, "all");
  front.close();
}

netif::CtrlResponse success(RawFront& front, std::uint16_t type, std::array<std::uint32_t, 3> data,
                            std::span<const std::byte> page = {}) {
  const auto response = front.ask(type, data, page);
  require(response.status == netif::ctrl_status::kSuccess && response.type == type,
          "control request " + std::to_string(type) + " is answered " + std::to_string(response.status));
  return response;
}

// Hash 0 of 3 goes to queue 2, the others to queue 1.
void hash(std::uint32_t device) {
  RawFront front(device, 3, true);
  front.connect();
  const std::uint32_t gref = front.ctrl_gref();
  success(front, netif::ctrl::kSetHashAlgorithm, {netif::hash_algorithm::kToeplitz});
  require(success(front, netif::ctrl::kGetHashFlags, {}).data == netif::hash_type::kAll,
          "not all hash types");
  success(front, netif::ctrl::kSetHashFlags, {netif::hash_type::kAll});
  success(front, netif::ctrl::kSetHashKey, {gref, 40}, test::rss_key());
  success(front, netif::ctrl::kSetHashMappingSize, {3});
  const std::array<std::uint32_t, 3> mapping{2, 1, 1};
  success(front, netif::ctrl::kSetHashMapping, {gref, 3, 0}, std::as_bytes(std::span(mapping)));
  for (std::size_t queue = 0; queue < 3; ++queue) front.post(queue, 32);
  listen(front);
  front.close();
}

// Each is refused, and the control ring goes on.
void wrong_requests(std::uint32_t device) {
  constexpr std::uint32_t kBadGref = 0x00ffffff, kQueues = 1;
  RawFront front(device, kQueues, true);
  front.connect();
  const std::uint32_t gref = front.ctrl_gref();
  const auto refused = [&](std::uint16_t type, std::array<std::uint32_t, 3> data, std::uint32_t status,
                           std::span<const std::byte> page = {}) {
    const auto response = front.ask(type, data, page);
    require(response.status == status, "control request " + std::to_string(type) + " (" +
                                           std::to_string(data[0]) + ", " + std::to_string(data[1]) + ", " +
                                           std::to_string(data[2]) + ") is answered " +
                                           std::to_string(response.status));
  };
  constexpr auto kInvalid = netif::ctrl_status::kInvalidParameter;
  success(front, netif::ctrl::kSetHashMappingSize, {128});
  refused(netif::ctrl::kSetHashKey, {kBadGref, 40}, kInvalid);
  refused(netif::ctrl::kSetHashKey, {gref, 41}, kInvalid);
  refused(netif::ctrl::kSetHashKey, {gref, UINT32_MAX}, kInvalid);
  refused(netif::ctrl::kSetHashMapping, {kBadGref, 1, 0}, kInvalid);
  refused(netif::ctrl::kSetHashMapping, {gref, 2, UINT32_MAX}, kInvalid);
  refused(netif::ctrl::kSetHashMapping, {gref, UINT32_MAX, 2}, kInvalid);
  refused(netif::ctrl::kSetHashMapping, {gref, 129, 0}, kInvalid);
  refused(netif::ctrl::kSetHashMappingSize, {129}, kInvalid);
  const std::array<std::uint32_t, 2> beyond{0, kQueues};
  refused(netif::ctrl::kSetHashMapping, {gref, 2, 0}, kInvalid, std::as_bytes(std::span(beyond)));
  for (const int type : {0, 8, 9, 10, 11, 0xffff})
    refused(static_cast<std::uint16_t>(type), {gref, 1, 1}, netif::ctrl_status::kNotSupported);
  success(front, netif::ctrl::kGetHashMappingSize, {});
  say("ready");
  say("end");
  front.close();
}

// An index that cannot be: the vif is cut off.
void wrong_index(std::uint32_t device) {
  RawFront front(device, 1, true);
  front.connect();
  front.forge_ctrl_index(netif::CtrlFront::kSlots + 1);
  front.wait_for(xenstore::XenbusState::closing);
  say("ready");
  say("end");
  front.close();
}

// Posts buffers and tells nobody.
void no_rx_notify(std::uint32_t device) {
  RawFront front(device, 1, false);
  front.connect({{key::kFeatureRxNotify, "0"}});
  say("ready");
  front.wait_for_node("go");  // a frame waits
  front.post(0, 32, false);
  listen(front);
  front.close();
}

// As Linux's netfront does when an XDP program is put in or taken out.
void reconfigure(std::uint32_t device) {
  RawFront front(device, 1, false);
  front.connect();
  front.post(0, 32);
  for (int i = 0; i < 3; ++i) {
    front.write(key::kState, to_text(xenstore::XenbusState::reconfiguring));
    front.wait_for(xenstore::XenbusState::reconfigured);
    front.write(key::kState, to_text(xenstore::XenbusState::connected));
    front.wait_for(xenstore::XenbusState::connected);
  }
  listen(front);
  front.close();
}

const std::map<std::string, std::function<void(std::uint32_t)>> kStories{{"netfront", netfront},
                                                                         {"multicast", multicast},
                                                                         {"hash", hash},
                                                                         {"wrong-requests", wrong_requests},
                                                                         {"wrong-index", wrong_index},
                                                                         {"no-rx-notify", no_rx_notify},
                                                                         {"reconfigure", reconfigure}};

}  // namespace

int main(int argc, char** argv) {
  const auto device =
      argc == 3 ? xenstore::parse_number<std::uint32_t>(argv[1], 0, xenstore::kMaxHandle) : std::nullopt;
  if (!device || !kStories.contains(argv[2])) {
    std::cerr << "usage: hush-odd-front DEVICE STORY\n";
    return 2;
  }
  try {
    kStories.at(argv[2])(*device);
  } catch (const std::exception& e) {
    std::cerr << "hush-odd-front: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
