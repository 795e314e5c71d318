#include "xenstore/vif_settings.hpp"

#include <algorithm>
#include <bit>
#include <cctype>

#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"

namespace hush::xenstore {
namespace {

constexpr std::uint32_t kMaxTimeout = 3'600'000;  // an hour
constexpr std::uint32_t kMaxInterval = 60'000'000;
constexpr std::uint32_t kMaxPolling = 1'000'000;
constexpr std::uint32_t kMaxGrants = 1U << 20;
constexpr std::uint32_t kMaxArea = 16401 * 4;            // KiB: common/area/README.md, section 9
constexpr std::uint32_t kMinRing = 4, kMaxRing = 32768;  // KiB: the same place
// Below it a policy that looks each 50 ms has nothing to go by.
constexpr std::uint32_t kLeastShrinkAfter = 100;
// So that a guest can't keep a host busy with switches: a hundred in a second at most.
constexpr std::uint32_t kLeastCooldown = 10;
// What a complaint repeats of a bad value.
constexpr std::size_t kShown = 32;

// grant-budget's: half of a table of 64 frames of 512 entries; the rest is for disks and consoles.
constexpr std::array<SettingInfo, kVifSettings> kTable{{
    {key::kRate, "bytes,us", 1, UINT32_MAX, "0,0", Acts::at_once,
     "what the guest may send: bytes in each interval of so many microseconds; an interval of 0: no limit",
     &VifSettings::rate},
    {key::kMaxQueues, "queues", 1, kMaxQueues, "8", Acts::at_next_connect, "queues that the guest is offered",
     &VifSettings::max_queues},
    {key::kOffloadChecksum, "", 0, 1, "1", Acts::at_next_connect,
     "frames may come and go with blank checksums; 0 turns segmentation off as well",
     &VifSettings::offload_checksum},
    {key::kOffloadSegmentation, "", 0, 1, "1", Acts::at_next_connect,
     "TCP segments larger than the MTU cross whole", &VifSettings::offload_segmentation},
    {key::kScatterGather, "", 0, 1, "1", Acts::at_next_connect,
     "a frame may take several slots; 0 turns segmentation off as well, and bounds frames to a page",
     &VifSettings::scatter_gather},
    {key::kMulticastControl, "", 0, 1, "1", Acts::at_next_connect,
     "the guest may say which multicast groups it wants", &VifSettings::multicast_control},
    {key::kRxStallTimeout, "ms", 0, kMaxTimeout, "60000", Acts::at_once,
     "a guest that posts no receive buffer for so long is stalled, and its carrier goes down; 0: never",
     &VifSettings::rx_stall_timeout},
    {key::kRxDrainTimeout, "ms", 0, kMaxTimeout, "10000", Acts::at_once,
     "a frame that has waited so long for receive buffers is dropped; 0: it waits for ever",
     &VifSettings::rx_drain_timeout},
    {key::kGrantBudget, "grefs", 0, kMaxGrants, "16384", Acts::at_next_connect,
     "grant references that a guest's vifs may take together for their queues, 514 each; 0: any number",
     &VifSettings::grant_budget},
    {key::kAreaLimit, "KiB", 0, kMaxArea, "8448", Acts::at_next_connect,
     "memory that a queue of a guest with hush-frontd may share for its area; 0: the netif path alone",
     &VifSettings::area_limit},
    {key::kAreaStall, "ms", 1, kMaxAreaStall, "1000", Acts::at_once,
     "an end that takes nothing from an area for so long is stalled, and what is for it is dropped",
     &VifSettings::area_stall},
    {key::kAreaMin, "KiB", kMinRing, kMaxRing, "16", Acts::at_once,
     "no ring of an area gets shorter, whatever its traffic", &VifSettings::area_min},
    {key::kAreaMax, "KiB", kMinRing, kMaxRing, "4096", Acts::at_once,
     "no ring of an area gets longer for its traffic's sake; area-min is stronger", &VifSettings::area_max},
    {key::kAreaTx, "KiB", 0, kMaxRing, "0", Acts::at_once,
     "length of the ring that the guest sends through; 0: it follows the traffic", &VifSettings::area_tx},
    {key::kAreaRx, "KiB", 0, kMaxRing, "0", Acts::at_once,
     "length of the ring that the guest receives through; 0: it follows the traffic", &VifSettings::area_rx},
    {key::kAreaShrinkAfter, "ms", kLeastShrinkAfter, kMaxTimeout, "5000", Acts::at_once,
     "a ring gets shorter when a shorter one would have been enough for so long",
     &VifSettings::area_shrink_after},
    {key::kAreaCooldown, "ms", kLeastCooldown, kMaxTimeout, "1000", Acts::at_once,
     "between two switches to other rings; in the long run there is one each five of it at most",
     &VifSettings::area_cooldown},
    {key::kPollMode, "", 0, 0, "auto", Acts::at_once,
     "before a sleep: auto polls where that is cheaper, event sleeps at once, poll never sleeps",
     &VifSettings::poll_mode, true},
    {key::kPollMin, "us", 0, kMaxPolling, "0", Acts::at_once,
     "in mode auto a queue is polled for so long before each sleep, whatever is expected",
     &VifSettings::poll_min, true},
    {key::kPollMax, "us", 0, kMaxPolling, "200", Acts::at_once,
     "in mode auto a queue is polled before a sleep for no longer; stronger than poll-min",
     &VifSettings::poll_max, true},
    {key::kPort, "", 0, 0, "tap", Acts::at_next_connect,
     "what stands behind a guest's areas: its interface, a wire to another vif, or for measuring a sink, a "
     "source or an echo",
     &VifSettings::port},
    {key::kPortFrame, "bytes", 14, 65550, "1514", Acts::at_next_connect, "length of a source's frames",
     &VifSettings::port_frame},
    {key::kPortBatch, "frames", 1, 64, "64", Acts::at_next_connect,
     "what a sink, a source or an echo moves at once", &VifSettings::port_batch},
    {key::kWire, "", 0, 65535, "0", Acts::at_next_connect,
     "the number of a wire, for the two vifs whose port is that wire", &VifSettings::wire},
    {key::kWorkload, "", 0, kMaxWorkload, "", Acts::at_next_connect,
     "what the guest does, as a tag: areas begin with the size that such guests have used; empty: no tag",
     &VifSettings::workload},
}};

// A word out of a list, which is in the order of the enum.
template <class Enum, std::size_t Count>
bool take_word(std::string_view text, const std::array<std::string_view, Count>& words, Enum& into) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return false;
  into = static_cast<Enum>(found - words.begin());
  return true;
}

bool take_rate(std::string_view text, Rate& into) {
  const std::size_t comma = text.find(',');
  if (comma == text.npos) return false;
  const auto bytes = parse_number<std::uint32_t>(text.substr(0, comma), 0, UINT32_MAX);
  const auto interval = parse_number<std::uint32_t>(text.substr(comma + 1), 0, kMaxInterval);
  // No bytes in an interval would be a link that is down, by a name that says something else.
  if (!bytes || !interval || (*bytes == 0 && *interval != 0)) return false;
  into = {*bytes, std::chrono::microseconds(*interval)};
  return true;
}

bool take_ring(const SettingInfo& setting, std::string_view text, RingSize& into) {
  const auto kib = parse_number<std::uint32_t>(text, setting.low, setting.high);
  if (!kib || (*kib != 0 && (*kib < kMinRing || !std::has_single_bit(*kib)))) return false;
  into.kib = *kib;
  return true;
}

// What somebody wrote, for a line that stays one line.
std::string shown(std::string_view text) {
  std::string clean(text.substr(0, kShown));
  for (char& c : clean)
    if (!std::isprint(static_cast<unsigned char>(c))) c = '?';
  return "'" + clean + (text.size() > kShown ? "...'" : "'");
}

std::string all_names(bool of_guest) {
  std::string names;
  for (const auto& setting : kTable)
    if (!of_guest || setting.of_guest) names += (names.empty() ? "" : ", ") + std::string(setting.name);
  return names;
}

// xenstore allows few characters in a path: each other one is "@" and its two hexadecimal digits.
std::string as_node(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string node;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) || c == '-' || c == '_'))
      node += c;
    else
      node += {'@', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return node;
}

std::string below_root(const char* kind, const std::string& node = {}) {
  return std::string(key::kHushring) + "/" + kind + (node.empty() ? "" : "/" + node);
}

Result<void> read_directory(const View& view, const std::string& directory, std::vector<Said>& into) {
  auto names = view.list(directory);
  if (!names) return names.error();
  for (auto& name : *names) {
    const std::string path = directory + "/" + name;
    auto text = view.read(path);
    if (!text) return text.error();
    if (*text) into.push_back({std::move(name), std::move(**text), path});
  }
  return {};
}

}  // namespace

std::span<const SettingInfo, kVifSettings> vif_settings() {
  return kTable;
}

const SettingInfo* find_setting(std::string_view name) {
  const auto found =
      std::find_if(kTable.begin(), kTable.end(), [&](const auto& s) { return s.name == name; });
  return found == kTable.end() ? nullptr : &*found;
}

bool take(const SettingInfo& setting, std::string_view text, VifSettings& into) {
  if (const auto* rate = std::get_if<Rate VifSettings::*>(&setting.member))
    return take_rate(text, into.**rate);
  if (const auto* port = std::get_if<PortKind VifSettings::*>(&setting.member))
    return take_word(text, kPortKinds, into.**port);
  if (const auto* mode = std::get_if<poll::Mode VifSettings::*>(&setting.member))
    return take_word(text, poll::kModes, into.**mode);
  if (const auto* ring = std::get_if<RingSize VifSettings::*>(&setting.member))
    return take_ring(setting, text, into.**ring);
  if (const auto* tag = std::get_if<std::string VifSettings::*>(&setting.member)) {
    if (!text.empty() && !is_workload(text)) return false;
    into.** tag = text;
    return true;
  }
  const auto number = parse_number<std::uint32_t>(text, setting.low, setting.high);
  if (!number) return false;
  if (const auto* flag = std::get_if<bool VifSettings::*>(&setting.member))
    into.** flag = *number == 1;
  else if (const auto* count = std::get_if<std::uint32_t VifSettings::*>(&setting.member))
    into.** count = *number;
  else if (const auto* time = std::get_if<std::chrono::milliseconds VifSettings::*>(&setting.member))
    into.** time = std::chrono::milliseconds(*number);
  else if (const auto* moment = std::get_if<std::chrono::microseconds VifSettings::*>(&setting.member))
    into.** moment = std::chrono::microseconds(*number);
  return true;
}

std::string accepted(const SettingInfo& setting) {
  if (std::holds_alternative<Rate VifSettings::*>(setting.member))
    return "bytes,microseconds as in 25000,20000, with 1 to " + std::to_string(setting.high) +
           " bytes and at most " + std::to_string(kMaxInterval) + " microseconds; 0,0 is no limit";
  if (std::holds_alternative<bool VifSettings::*>(setting.member)) return "1 or 0";
  if (std::holds_alternative<PortKind VifSettings::*>(setting.member))
    return "tap, sink, source, echo or wire";
  if (std::holds_alternative<poll::Mode VifSettings::*>(setting.member)) return "auto, event or poll";
  if (std::holds_alternative<RingSize VifSettings::*>(setting.member))
    return "a power of two of KiB from " + std::to_string(kMinRing) + " to " + std::to_string(setting.high) +
           (setting.low == 0 ? ", or 0" : "");
  if (std::holds_alternative<std::string VifSettings::*>(setting.member))
    return "at most " + std::to_string(setting.high) + " letters, digits, '-', '_' or '.'; empty is none";
  return "a number of " + std::string(setting.unit) + " from " + std::to_string(setting.low) + " to " +
         std::to_string(setting.high);
}

namespace {

Resolved resolve_for(std::span<const Said> weakest_first, bool of_guest) {
  Resolved result;
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    (void)take(kTable[i], kTable[i].fallback, result.values);  // a test takes each of them
    result.origins[i] = {std::string(kTable[i].fallback), kBuiltIn};
  }
  for (const Said& said : weakest_first) {
    const SettingInfo* setting = find_setting(said.key);
    if (!setting || (of_guest && !setting->of_guest))
      result.complaints.push_back(
          {said.path, said.path + " is not a setting" + (setting ? " of a front end" : "") +
                          " and is ignored: remove it; there are: " + all_names(of_guest)});
    else if (!take(*setting, said.text, result.values))
      result.complaints.push_back({said.path, said.path + " is " + shown(said.text) +
                                                  " and is ignored: write " + accepted(*setting) +
                                                  ", or remove it"});
    else
      result.origins[static_cast<std::size_t>(setting - kTable.data())] = {said.text, said.path};
  }
  return result;
}

}  // namespace

Resolved resolve(std::span<const Said> weakest_first) {
  return resolve_for(weakest_first, false);
}

Resolved resolve_of_guest(std::span<const Said> weakest_first) {
  return resolve_for(weakest_first, true);
}

poll::Rules polling(const VifSettings& settings, poll::Time wake_cost) {
  return {settings.poll_mode, settings.poll_min, settings.poll_max, wake_cost};
}

Features allowed(Features features, const VifSettings& settings) {
  if (!settings.offload_checksum) features.ipv4_csum = features.ipv6_csum = false;
  if (!settings.scatter_gather) features.sg = false;
  if (!settings.multicast_control) features.multicast_control = false;
  // A segment leaves its checksum to the receiver, and is larger than a slot.
  if (!settings.offload_segmentation || !settings.offload_checksum || !settings.scatter_gather)
    features.gso_tcpv4 = features.gso_tcpv6 = false;
  if (settings.area_limit == 0) features.hush_area = 0;
  return features;
}

bool is_workload(std::string_view text) {
  const auto allowed = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x80 && (std::isalnum(byte) || c == '-' || c == '_' || c == '.');
  };
  return !text.empty() && text.size() <= kMaxWorkload && std::all_of(text.begin(), text.end(), allowed);
}

bool is_log_level(std::string_view text) {
  return std::find(kLogLevels.begin(), kLogLevels.end(), text) != kLogLevels.end();
}

std::optional<std::uint32_t> parse_area_budget(std::string_view text) {
  const auto mib = parse_number<std::uint32_t>(text, 1, kMaxAreaBudget);
  return mib ? std::optional(*mib) : std::nullopt;
}

std::string default_settings_path() {
  return below_root(key::kForAll);
}

std::string domain_settings_path(std::string_view domain_name) {
  return below_root(key::kForDomain, as_node(domain_name));
}

std::string mac_settings_path(std::string_view mac) {
  std::string node(mac);
  for (char& c : node) c = c == ':' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return below_root(key::kForMac, as_node(node));
}

std::string vif_settings_path(VifId id) {
  return below_root(key::kForVif, std::to_string(id.domid.value) + "/" + std::to_string(id.handle));
}

std::string own_settings_path(VifId id) {
  return backend_path(id) + "/" + key::kHushring;
}

std::string log_level_path() {
  return below_root(key::kLogLevel);
}

std::string area_budget_path() {
  return below_root(key::kAreaBudget);
}

bool is_mac(std::string_view text) {
  constexpr std::size_t kLength = 17;
  if (text.size() != kLength) return false;
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool digit = std::isxdigit(static_cast<unsigned char>(text[i]));
    if (i % 3 == 2 ? text[i] != ':' : !digit) return false;
  }
  return true;
}

Result<std::string> read_domain_name(const View& view, DomId domid) {
  auto name =
      view.read(std::string(key::kLocalDomain) + "/" + std::to_string(domid.value) + "/" + key::kName);
  if (!name && name.error().code == EACCES) return std::string();
  if (!name) return name.error();
  return name->value_or("");
}

Result<std::vector<Said>> read_settings(const View& view, VifId id) {
  std::vector<Said> said;
  if (auto done = read_directory(view, default_settings_path(), said); !done) return done.error();
  const std::string rate_path = backend_path(id) + "/" + key::kRate;
  auto rate = view.read(rate_path);
  if (!rate) return rate.error();
  if (*rate) said.push_back({key::kRate, **rate, rate_path});
  auto name = read_domain_name(view, id.domid);
  if (!name) return name.error();
  auto mac = view.read(backend_path(id) + "/" + key::kMac);
  if (!mac) return mac.error();
  std::vector<std::string> directories;
  if (!name->empty()) directories.push_back(domain_settings_path(*name));
  if (*mac) directories.push_back(mac_settings_path(**mac));
  directories.push_back(vif_settings_path(id));
  directories.push_back(own_settings_path(id));
  for (const auto& directory : directories)
    if (auto done = read_directory(view, directory, said); !done) return done.error();
  return said;
}

Result<std::vector<Said>> read_guest_settings(const View& view, const std::string& frontend) {
  std::vector<Said> said;
  if (auto done = read_directory(view, frontend + "/" + key::kHushring, said); !done) return done.error();
  return said;
}

}  // namespace hush::xenstore
