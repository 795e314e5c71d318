// What an admin can set of a vif, and where a value comes from.
//
// A setting may be said in several places; the strongest one that makes sense counts, and a key that is
// removed gives way to the next. Weakest first:
//
//   built in; the daemon's own options; hushring/default; the toolstack (rate alone); hushring/domain/NAME;
//   hushring/mac/MAC; hushring/vif/DOMID/HANDLE; hushring/ in the vif's backend directory
//
// What a guest sets of its own end stands elsewhere: the options of its front end; hushring/ in the frontend
// directory (read_guest_settings()).
//
// resolve() is pure; the reading of the store stands apart from it. A bad value never stops a vif: it is a
// complaint of one line, and the next place counts.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/poll/rules.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::xenstore {

// Bytes that the guest may send in each interval; the form of the toolstack's rate key, "bytes,usec".
struct Rate {
  std::uint32_t bytes = 0;
  std::chrono::microseconds interval{0};  // 0: no limit
  [[nodiscard]] bool limited() const { return interval.count() != 0; }
  bool operator==(const Rate&) const = default;
};

// What stands behind a vif's areas in this domain.
enum class PortKind : std::uint8_t {
  tap,     // the interface, as on the netif path
  sink,    // reads each frame of the guest, to the last byte, and forgets it
  source,  // sends the guest frames without end
  echo,    // sends the guest each of its frames back
  wire,    // another vif of this daemon
};
inline constexpr std::array<std::string_view, 5> kPortKinds{"tap", "sink", "source", "echo", "wire"};

// The length of a ring of an area: a power of two.
struct RingSize {
  std::uint32_t kib = 0;
  [[nodiscard]] constexpr std::uint32_t bytes() const { return kib * 1024; }
  bool operator==(const RingSize&) const = default;
};

struct VifSettings {
  Rate rate;
  std::uint32_t max_queues = 0;  // offered, and accepted
  bool offload_checksum = true;  // offered, and used: off where a guest gets checksums wrong (pfSense)
  bool offload_segmentation = true;
  bool scatter_gather = true;
  bool multicast_control = true;                 // offered
  std::chrono::milliseconds rx_stall_timeout{};  // no receive buffer for so long: stalled; 0: never
  std::chrono::milliseconds rx_drain_timeout{};  // a frame waits no longer for buffers; 0: for ever
  std::uint32_t grant_budget = 0;                // grefs that the guest's queues may take; 0: any number
  std::uint32_t area_limit = 0;                  // KiB that the area of a queue may have; 0: no area path
  std::chrono::milliseconds area_stall{};  // a guest that takes nothing from its area for so long is stalled
  RingSize area_min, area_max;             // between these a ring follows its traffic
  RingSize area_tx, area_rx;               // or is of this length; 0: it follows
  std::chrono::milliseconds area_shrink_after{};  // a shorter ring must have been enough for so long
  std::chrono::milliseconds area_cooldown{};      // between two switches to other rings
  poll::Mode poll_mode = poll::Mode::automatic;
  std::chrono::microseconds poll_min{};  // polled before each sleep at least
  std::chrono::microseconds poll_max{};  // at most; the stronger of the two
  PortKind port = PortKind::tap;         // of the area path
  std::uint32_t port_frame = 0;          // bytes of a source's frames
  std::uint32_t wire = 0;                // which one, where the port is one; 0: none
  std::uint32_t port_batch = 0;          // frames that a measuring port moves at once
  std::string workload;                  // what the guest does, by an admin's tag; empty: none
  bool operator==(const VifSettings&) const = default;
};

enum class Acts : std::uint8_t { at_once, at_next_connect };

struct SettingInfo {
  std::string_view name;
  std::string_view unit;      // for people; empty: none
  std::uint32_t low, high;    // of a number; of a rate: its bytes; of a text: its length
  std::string_view fallback;  // the value built in, as text
  Acts acts;
  std::string_view meaning;
  std::variant<bool VifSettings::*, std::uint32_t VifSettings::*, std::chrono::milliseconds VifSettings::*,
               std::chrono::microseconds VifSettings::*, Rate VifSettings::*, poll::Mode VifSettings::*,
               PortKind VifSettings::*, RingSize VifSettings::*, std::string VifSettings::*>
      member;             // where a value goes, which is also what kind of value it is
  bool of_guest = false;  // a front end has one of its own
};

inline constexpr std::size_t kVifSettings = 25;
[[nodiscard]] std::span<const SettingInfo, kVifSettings> vif_settings();
[[nodiscard]] const SettingInfo* find_setting(std::string_view name);  // null: there is none
// Takes the text into its member. False, and nothing changed: it is no value of this setting.
[[nodiscard]] bool take(const SettingInfo& setting, std::string_view text, VifSettings& into);
// "a number of ms from 0 to 3600000": what take() accepts.
[[nodiscard]] std::string accepted(const SettingInfo& setting);

// One key that says something.
struct Said {
  std::string key;   // the setting's name
  std::string text;  // its value
  std::string path;  // where it stands: a path in the store, or an option of the daemon
};

struct Origin {
  std::string text;  // the value that counts
  std::string path;  // where it stands; kBuiltIn
};
inline constexpr char kBuiltIn[] = "built in";

struct Complaint {
  std::string path;
  std::string line;  // what, where, why, what to do
};

struct Resolved {
  VifSettings values;
  std::array<Origin, kVifSettings> origins;  // in the order of vif_settings()
  std::vector<Complaint> complaints;         // of values and names that make no sense
};
[[nodiscard]] Resolved resolve(std::span<const Said> weakest_first);
// The same for a front end, which has some of the settings; the others are complaints.
[[nodiscard]] Resolved resolve_of_guest(std::span<const Said> weakest_first);

// How an end with these settings polls. wake_cost: as measured here.
[[nodiscard]] poll::Rules polling(const VifSettings& settings, poll::Time wake_cost);

// What of the features may be offered to a guest, or used of what it offers.
[[nodiscard]] Features allowed(Features features, const VifSettings& settings);

// A tag of a workload: 1 to kMaxWorkload letters, digits, '-', '_' and '.'.
inline constexpr std::uint32_t kMaxWorkload = 64;
[[nodiscard]] bool is_workload(std::string_view text);

// Log levels, and hushring/log-level.
inline constexpr std::array<std::string_view, 5> kLogLevels{"trace", "debug", "info", "warn", "error"};
[[nodiscard]] bool is_log_level(std::string_view text);

// What the areas of all vifs may take together: hushring/area-budget, MiB. Where many guests have areas this
// is what keeps the host alive, so there is always one. 256 MiB are a ring of 2 MiB each way for 64 queues,
// and 65536 mapped grants: an eighth of the maptrack table that Xen gives a domain by default (1024 frames of
// 512 entries), whose rest is for disks.
inline constexpr std::uint32_t kAreaBudget = 256;
inline constexpr std::uint32_t kMaxAreaBudget = 1U << 20;
// MiB; nullopt: it is no number from 1 to kMaxAreaBudget.
[[nodiscard]] std::optional<std::uint32_t> parse_area_budget(std::string_view text);

// Where settings of a kind stand, relative to the back end's domain.
[[nodiscard]] std::string default_settings_path();
[[nodiscard]] std::string domain_settings_path(std::string_view domain_name);
[[nodiscard]] std::string mac_settings_path(std::string_view mac);  // with colons, in any case
[[nodiscard]] std::string vif_settings_path(VifId id);
[[nodiscard]] std::string own_settings_path(VifId id);  // in the backend directory: goes away with the vif
[[nodiscard]] std::string log_level_path();
[[nodiscard]] std::string area_budget_path();
[[nodiscard]] bool is_mac(std::string_view text);

// The name of a guest; empty where there is none, or where a driver domain may not read it.
Result<std::string> read_domain_name(const View& view, DomId domid);
// All that is said of a vif's settings in the store, weakest first.
Result<std::vector<Said>> read_settings(const View& view, VifId id);
// What the guest says of its own end. frontend: path of the frontend directory.
Result<std::vector<Said>> read_guest_settings(const View& view, const std::string& frontend);

}  // namespace hush::xenstore
