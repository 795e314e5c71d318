// What the two ends of a vif tell each other, as values; this is the only place that turns them into keys
// and back. A value from a peer is checked here, against a named limit, and the error says which key it was.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/area/sizes.hpp"
#include "common/result.hpp"
#include "common/types.hpp"
#include "xenstore/client.hpp"
#include "xenstore/xenbus_state.hpp"

namespace hush::xenstore {

// Which vif: the guest's domain and the device number in it.
struct VifId {
  DomId domid;
  std::uint32_t handle = 0;
  auto operator<=>(const VifId&) const = default;
};
// xl's devids are small; the limit keeps the interface's name within IFNAMSIZ.
inline constexpr std::uint32_t kMaxHandle = 65535;

[[nodiscard]] std::string vif_name(VifId id);      // "vif3.0", as the kernel's netback names it
[[nodiscard]] std::string backend_path(VifId id);  // relative to the back end's domain
[[nodiscard]] std::optional<VifId> parse_backend_path(const std::string& path);  // that, or anything below it

// What an end can do with frames, in the words of its feature keys.
struct Features {
  bool sg = false;
  bool gso_tcpv4 = false;
  bool gso_tcpv6 = false;
  bool ipv4_csum = true;  // on unless feature-no-csum-offload says otherwise
  bool ipv6_csum = false;
  bool rx_notify = false;             // front end only
  bool split_event_channels = false;  // back end only
  bool multicast_control = false;     // back end only
  std::uint32_t hush_area = 0;        // back end only: the version of the area path; 0: none
  bool operator==(const Features&) const = default;
};

// What the toolstack says of a vif, in the backend directory.
struct BackendSettings {
  std::string frontend;  // path of the frontend directory
  bool online = false;
  std::optional<std::string> bridge;  // set for every vif; only script says whether it is meant
  std::optional<std::string> script;
  std::optional<std::string> vifname;  // that the script gives the interface
  std::optional<std::uint32_t> mtu;
  // The hotplug script has finished; true as well where no script is at work (no such node).
  bool hotplug_done = false;
};

// What the toolstack says of a vif, in the frontend directory.
struct FrontendSettings {
  std::string backend;  // path of the backend directory
  DomId backend_id;
  std::string mac;  // of the guest's interface; empty where none is said
  std::optional<std::uint32_t> mtu;
};

// Where the area of a queue is (common/area/README.md).
struct AreaAddress {
  Gref header_page;
  std::uint32_t pages = 0;  // of the whole area
};

// Where the front end's queue is.
struct QueueAddress {
  Gref tx_ring;
  Gref rx_ring;
  EvtchnPort tx_port;
  EvtchnPort rx_port;  // the same as tx_port: one channel for both
  std::optional<AreaAddress> area = {};
};

// Where the front end's control ring is.
struct CtrlAddress {
  Gref ring;
  EvtchnPort port;
};

// Queues that a vif may have: what Linux's netback offers at most.
inline constexpr std::uint32_t kMaxQueues = 8;

struct FrontendOffer {
  std::vector<QueueAddress> queues;  // 1 to kMaxQueues
  Features features;
  std::optional<CtrlAddress> ctrl = {};  // none: it has no control ring
  std::uint32_t area_version = 0;        // 0: it offers no areas; otherwise each queue has one
  std::string area_trouble = {};         // of its keys, where what it says of areas makes no sense
};

// What the back end says to areas that it was offered.
struct AreaAnswer {
  std::uint32_t generation = 0;  // that it means; 0: there is no answer
  std::string refused = {};      // why it serves the netif path; empty: the areas are in use
  std::uint64_t session = 0;     // of the connection, for the back end's own files; 0: it keeps none
};
// The generation of the areas that a connection begins with.
inline constexpr std::uint32_t kFirstGeneration = 1;

// The domain that this program runs in, as the toolstack says it (domid).
Result<DomId> read_own_domain(const View& view);

// Back-end side
Result<BackendSettings> read_backend_settings(const View& view, VifId id);
// area_stall: for the front end's own watch (hush-area-stall). Answers to earlier areas are taken back.
// first_areas: what it advises for the first ones; none, or no area path: an advice of before is taken back.
Result<void> write_backend_offer(const View& view, VifId id, const Features& features,
                                 std::uint32_t max_queues, std::chrono::milliseconds area_stall,
                                 std::optional<area::Sizes> first_areas = {});
// max_queues: as offered; a front end that wants more is refused.
Result<FrontendOffer> read_frontend_offer(const View& view, const std::string& frontend,
                                          std::uint32_t max_queues);

// The front end wants no multicast but what it lists. It may change while connected.
Result<bool> read_multicast_request(const View& view, const std::string& frontend);
// The path of that key, to watch it.
[[nodiscard]] std::string multicast_request_path(const std::string& frontend);
// State connected and the answer in one transaction. As with switch_state, a node that is gone stays gone.
Result<void> switch_connected(Client& client, VifId id, const AreaAnswer& answer);
// What a back end has acknowledged on this connection, after a restart of it. generation 0: no areas.
Result<AreaAnswer> read_own_area_answer(const View& view, VifId id);
// The link as the guest is told of it. As with a state, a directory that is gone stays gone.
Result<void> switch_carrier(Client& client, VifId id, bool up);

// Front-end side. frontend and backend: paths of the directories.
[[nodiscard]] std::string frontend_path(std::uint32_t device);  // relative to the own domain
Result<FrontendSettings> read_frontend_settings(const View& view, const std::string& frontend);
Result<Features> read_backend_features(const View& view, const std::string& backend);
// Queues that a back end takes for a vif, 1 to kMaxQueues: more than that is taken for kMaxQueues, nothing
// said for 1. nullopt: what it says is no number of queues.
Result<std::optional<std::uint32_t>> read_max_queues(const View& view, const std::string& backend);
Result<AreaAnswer> read_area_answer(const View& view, const std::string& backend);
// Why the areas that a connection began with are not in use; empty: they are.
std::string read_area_refusal(const View& view, const std::string& backend);
// How long a back end may stand still; the default where it says nothing that makes sense.
std::chrono::milliseconds read_area_stall(const View& view, const std::string& backend);
inline constexpr std::chrono::milliseconds kDefaultAreaStall{1000};
inline constexpr std::uint32_t kMaxAreaStall = 3'600'000;  // ms
// False: the toolstack is taking the vif away, or has.
Result<bool> read_online(const View& view, const std::string& backend);
Result<void> write_frontend_offer(const View& view, const std::string& frontend, const FrontendOffer& offer);
// The offer and state connected in one transaction: a back end that sees 4 finds every key. ENOENT where the
// toolstack has removed the directory meanwhile.
Result<void> publish_frontend_offer(Client& client, const std::string& frontend, const FrontendOffer& offer);

// A state node; unknown where there is none.
Result<XenbusState> read_state(const View& view, const std::string& directory);
// Writes the state where the directory has one. A node that is gone stays gone (it is not made again by a
// late write, as in xenbus_switch_state of Linux), and that is no error.
Result<void> switch_state(Client& client, const std::string& directory, XenbusState state);

}  // namespace hush::xenstore
