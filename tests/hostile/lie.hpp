// What a lie is, and the tables of them: one file a family.
#pragma once
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/hostile/lying_front.hpp"
#include "xenstore/keys.hpp"

namespace hush::hostile {

// What must become of the liar.
enum class Outcome {
  cut_off,  // the back end goes to Closing and says why
  error,    // the packet is answered ERROR and counted as a drop; an honest one after it is answered OKAY
  refused,  // the area that was offered is refused by that reason, and the vif served on the netif path
  goes_on,  // the vif goes on in an area, the old one or the next; the log says the reason
  served,   // the lie harms nobody: an honest packet after it is answered OKAY
};

struct Lie {
  std::string name;
  Outcome outcome;
  const char* reason;  // part of what hush-backd says; "" where it says nothing
  const char* mutant;  // tests/mutants/NAME takes out what is tested here
  std::function<void(LyingFront&)> tell;
};
using Lies = std::vector<Lie>;

Lies index_lies();
Lies shape_lies();
Lies grant_lies();
Lies event_lies();
Lies store_lies();
Lies lifecycle_lies();
Lies area_lies();
Lies switch_lies();

inline constexpr std::uint32_t kBadGref = 0x00ffffff;
inline constexpr std::uint16_t kId = 77;
inline constexpr std::uint16_t kMore = netif::tx_flag::kMoreData, kExtra = netif::tx_flag::kExtraInfo;

using Requests = std::vector<netif::TxRequest>;

inline netif::TxRequest slot(const LyingFront& front, std::uint16_t flags, std::uint16_t size,
                             std::uint16_t offset = 0) {
  return {front.data_gref(0), offset, flags, kId, size};
}
inline netif::TxRequest extra(std::uint8_t type, std::uint8_t flags, netif::GsoBody gso = {}) {
  netif::ExtraInfo info{type, flags, {}};
  std::memcpy(info.body, &gso, sizeof gso);
  netif::TxRequest request{};
  std::memcpy(&request, &info, sizeof info);
  return request;
}
// An honest chain: `total` bytes in `slots` data slots of 100 bytes, but for the first.
inline Requests chain(const LyingFront& front, std::size_t slots, std::uint16_t total) {
  Requests all(slots, slot(front, kMore, 100));
  all.front().size = total;
  all.back().flags = 0;
  return all;
}

// Connects, with this key of the offer forged.
inline std::function<void(LyingFront&)> forged(std::string key, std::string value) {
  return [=](LyingFront& front) { front.connect({{key, value}}); };
}
// Connects honestly, then does that.
inline std::function<void(LyingFront&)> connected(std::function<void(LyingFront&)> act) {
  return [=](LyingFront& front) {
    front.connect();
    front.wait_for({xenstore::XenbusState::connected});
    act(front);
  };
}
// Connects honestly, then sends what make() says.
inline std::function<void(LyingFront&)> sent(std::function<Requests(LyingFront&)> make) {
  return connected([=](LyingFront& front) { front.send(make(front)); });
}

}  // namespace hush::hostile
