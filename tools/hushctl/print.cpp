#include "tools/hushctl/print.hpp"

#include <initializer_list>
#include <vector>

#include "tools/hushctl/table.hpp"

namespace hush::hushctl {
namespace {

using nlohmann::json;
using Rows = std::vector<std::vector<std::string>>;

// A field of an object, null where it is missing: an answer may come from another version.
const json& field(const json& object, const char* name) {
  static const json kNothing;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? kNothing : *found;
}

std::string text(const json& object, const char* name) {
  return text_of(field(object, name));
}

// "8/9": two fields of an object, "-" where they are missing.
std::string pair(const json& object, const char* a, const char* b) {
  return field(object, a).is_null() ? "-" : text(object, a) + "/" + text(object, b);
}

std::string event_channels(const json& queue) {
  const std::string tx = text(queue, "event_channel_tx"), rx = text(queue, "event_channel_rx");
  return tx == rx ? tx : tx + "/" + rx;
}

// What a ring says of itself, by the path that it belongs to: a column and the field that is in it.
using Columns = std::vector<std::pair<const char*, const char*>>;
const Columns kNetifRing{{"req_prod", "req_prod"},   {"req_cons", "req_cons"},
                         {"req_event", "req_event"}, {"rsp_prod", "rsp_prod"},
                         {"rsp_event", "rsp_event"}, {"waiting", "requests_waiting"}};
const Columns kAreaRing{{"bytes", "ring_bytes"},      {"produced", "produced"},   {"consumed", "consumed"},
                        {"waiting", "bytes_waiting"}, {"mode word", "mode_word"}, {"room word", "room_word"}};

void print_queues(std::ostream& out, const json& queues) {
  const bool areas = !queues.empty() && queues.is_array() && queues[0].contains("area");
  const Columns& columns = areas ? kAreaRing : kNetifRing;
  Rows rows{{"  queue", "state", "thread", "evt-ch", "local", "ring"}};
  for (const auto& [title, name] : columns) rows.front().emplace_back(title);
  for (std::size_t i = 0; i < queues.size(); ++i)
    for (const char* direction : {"guest_tx", "guest_rx"}) {
      const json& queue = queues[i];
      const json& ring = field(queue, direction);
      const bool first = direction == std::string("guest_tx");
      rows.push_back({first ? "  " + std::to_string(i) : "", first ? text(queue, "state") : "",
                      first ? text(queue, "thread") : "", first ? event_channels(queue) : "",
                      first ? pair(queue, "local_port_tx", "local_port_rx") : "", direction});
      for (const auto& [title, name] : columns) rows.back().push_back(text(ring, name));
    }
  print_table(out, rows);
}

void print_features(std::ostream& out, const json& features) {
  Rows rows{{"  feature", "offered", "frontend", "in use"}};
  const auto shown = [&](const char* whose, const std::string& name) {
    const json& value = field(field(features, whose), name.c_str());
    if (value.is_number()) return value == 0 ? std::string("off") : "version " + value.dump();
    return value.is_boolean() ? std::string(value.get<bool>() ? "on" : "off") : std::string("-");
  };
  for (const auto& [name, value] : field(features, "offered").items())
    rows.push_back({"  " + name, shown("offered", name), shown("frontend", name), shown("in_use", name)});
  print_table(out, rows);
}

void print_settings(std::ostream& out, const json& settings) {
  Rows rows{{"  setting", "value", "unit", "source", "acts"}};
  for (const auto& s : settings)
    rows.push_back(
        {"  " + text(s, "key"), text(s, "value"), text(s, "unit"), text(s, "source"), text(s, "acts")});
  print_table(out, rows);
}

// Microseconds of a field in nanoseconds, rounded.
std::string microseconds(const json& object, const char* name) {
  const json& time = field(object, name);
  return time.is_number_integer() ? std::to_string((time.get<std::int64_t>() + 500) / 1000) : "-";
}

std::string kib(const json& object, const char* name) {
  const json& bytes = field(object, name);
  return bytes.is_number_unsigned() ? std::to_string(bytes.get<std::uint64_t>() / 1024) : "-";
}

void print_first_size(std::ostream& out, const json& vif) {
  const json& first = field(vif, "first_size");
  if (!first.is_object()) return;
  out << "  workload " << text(vif, "workload") << "; first areas: guest_tx " << kib(first, "guest_tx")
      << " KiB, guest_rx " << kib(first, "guest_rx") << " KiB, up to " << text(first, "queues") << " queues ("
      << text(first, "source") << ")\n";
}

// Of the queues on the netif path: what a take-over found in the file of the daemon before, and whether there
// is one for the daemon after.
void print_inflight_of(std::ostream& out, const json& queues) {
  for (std::size_t i = 0; i < queues.size(); ++i) {
    const json& inflight = field(queues[i], "inflight");
    const std::string queue = "  queue " + std::to_string(i);
    if (const std::string began = text(inflight, "began"); began != "-" && began != "new") {
      out << queue << " went on " << began;
      if (began == "by its file")
        out << ": " << text(inflight, "taken") << " requests in progress, " << text(inflight, "sent")
            << " marked as sent; " << text(inflight, "answered") << " just answered";
      if (text(inflight, "refused") != "-") out << ": " << text(inflight, "refused");
      out << '\n';
    }
    if (text(inflight, "not_kept") != "-")
      out << queue << " keeps no requests for a daemon after this one: " << text(inflight, "not_kept")
          << '\n';
  }
}

// Of the queues of a vif, in the area path: what became of its areas, and what is to become of them.
void print_areas_of(std::ostream& out, const json& queues) {
  for (std::size_t i = 0; i < queues.size(); ++i) {
    const json& area = field(queues[i], "area");
    if (!area.contains("switches")) continue;  // of an older daemon
    out << "  area of queue " << i << ": generation " << text(area, "generation") << ", "
        << text(area, "switches") << " switches, " << text(area, "failures") << " that came to nothing";
    for (const auto& [says, name] :
         {std::pair{"; last: ", "last_reason"}, std::pair{"; pending: ", "pending_reason"},
          std::pair{"; failed: ", "last_failure"}})
      if (text(area, name) != "-") out << says << text(area, name);
    out << '\n';
  }
}

void print_polling(std::ostream& out, const json& polling) {
  if (!polling.is_object()) return;  // of an older daemon
  out << "  before a sleep polled: " << text(polling, "mode") << ", " << microseconds(polling, "least_ns")
      << " to " << microseconds(polling, "most_ns") << " us; a sleep and wake-up costs "
      << microseconds(polling, "wake_cost_ns") << " us here\n";
}

void print_polls(std::ostream& out, const json& polls) {
  if (!polls.is_object()) return;
  out << "  polls that found something " << text(polls, "found") << ", in vain " << text(polls, "in_vain")
      << ", sleeps " << text(polls, "sleeps") << ", needless events " << text(polls, "needless_events")
      << '\n';
}

// "1:530 2-3:12 4-7:1": only the sizes that came.
std::string histogram(const json& sizes) {
  std::string line;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) continue;
    const std::size_t low = std::size_t{1} << i, high = 2 * low - 1;
    const bool last = i + 1 == sizes.size();
    line += (line.empty() ? "" : "  ") + std::to_string(low) +
            (last || low == high ? "" : "-" + std::to_string(high)) + ":" + sizes[i].dump();
  }
  return line.empty() ? "-" : line;
}

void print_counts_of(std::ostream& out, const json& vif) {
  Rows rows{{"  counter", "guest_tx", "guest_rx"}};
  for (const char* counter : {"packets", "bytes", "slots", "batches", "copy_calls", "copies", "notifies_sent",
                              "notifies_saved", "events", "storms"})
    rows.push_back({std::string("  ") + counter, text(field(vif, "guest_tx"), counter),
                    text(field(vif, "guest_rx"), counter)});
  for (const char* counter :
       {"sleeps", "second_looks", "notifies_late", "room_waits", "stalls", "hops_woken", "hops_saved"}) {
    const std::string tx = text(field(vif, "guest_tx"), counter), rx = text(field(vif, "guest_rx"), counter);
    if (tx + rx != "--") rows.push_back({std::string("  ") + counter, tx, rx});  // of the area path
  }
  print_table(out, rows);
  for (const char* direction : {"guest_tx", "guest_rx"})
    out << "  " << direction
        << " packets in a batch: " << histogram(field(field(vif, direction), "batch_sizes")) << '\n';
  print_polls(out, field(vif, "polls"));
  const char* separator = "  ";
  for (const char* counter : {"rx_waits", "rx_stalls", "tx_throttled"}) {
    out << separator << counter << ' ' << text(vif, counter);
    separator = ", ";
  }
  for (const auto& [name, count] : field(vif, "ethtool").items()) out << ", " << name << ' ' << count;
  out << '\n';
  if (const json& inflight = field(vif, "inflight"); inflight.is_object())
    out << "  found at take-overs: requests taken " << text(inflight, "taken") << ", of them sent "
        << text(inflight, "sent") << ", just answered " << text(inflight, "answered") << "; files missing "
        << text(inflight, "missing") << ", refused " << text(inflight, "refused") << '\n';
  for (const auto& [direction, drops] : field(vif, "drops").items())
    for (const auto& [reason, count] : drops.items())
      if (count != 0) out << "  " << direction << " drops " << reason << ' ' << count << '\n';
}

}  // namespace

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

void print_list(std::ostream& out, const json& vifs) {
  Rows rows{{"VIF", "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-/rx-ring-ref", "BE-path",
             "interface", "queues", "mode", "fault"}};
  for (const auto& v : vifs) {
    const json& queues = field(v, "queues");
    const json first = queues.empty() ? json::object() : queues[0];
    rows.push_back({text(v, "vif"), text(v, "handle"), text(v, "backend_id"), text(v, "mac"),
                    text(v, "handle"), text(v, "state"), event_channels(first),
                    pair(first, "tx_ring_ref", "rx_ring_ref"), text(v, "backend_path"), text(v, "interface"),
                    std::to_string(queues.size()), text(v, "mode"), text(v, "fault")});
  }
  print_table(out, rows);
}

void print_show(std::ostream& out, const json& vif) {
  const json& handshake = field(vif, "handshake");
  out << text(vif, "vif") << ": domain " << text(vif, "domain") << " (" << text(vif, "domid")
      << "), interface " << text(vif, "interface") << ", MAC " << text(vif, "mac") << ", bridge "
      << text(vif, "bridge") << '\n'
      << "  back end " << text(handshake, "backend") << ", front end " << text(handshake, "frontend")
      << ", hotplug " << text(handshake, "hotplug_status") << ", connects " << text(vif, "connects")
      << ", mode " << text(vif, "mode") << '\n';
  if (text(vif, "area_refused") != "-")
    out << "  its areas are refused, it is served on the netif path: " << text(vif, "area_refused") << '\n';
  if (const json& wire = field(vif, "wire"); !wire.empty())
    out << "  wire " << text(wire, "number") << ": " << text(wire, "hops_woken") << " hops woken, "
        << text(wire, "hops_saved") << " saved\n";
  if (text(vif, "fault") != "-") out << "  cut off: " << text(vif, "fault") << '\n';
  for (const auto& stall : field(vif, "stalls"))
    out << "  queue " << text(stall, "queue") << " stalled for " << text(stall, "since_ms")
        << " ms: " << text(stall, "cause") << '\n';
  print_first_size(out, vif);
  print_polling(out, field(vif, "polling"));
  print_polls(out, field(vif, "polls"));
  print_queues(out, field(vif, "queues"));
  print_areas_of(out, field(vif, "queues"));
  print_inflight_of(out, field(vif, "queues"));
  print_features(out, field(vif, "features"));
  print_settings(out, field(vif, "settings"));
}

void print_stats(std::ostream& out, const json& vifs) {
  for (const auto& v : vifs) {
    out << text(v, "vif") << ' ' << text(v, "state") << '\n';
    print_counts_of(out, v);
  }
}

void print_stalls(std::ostream& out, const json& stalls) {
  Rows rows{{"VIF", "queue", "for ms", "cause"}};
  for (const auto& s : stalls)
    rows.push_back({text(s, "vif"), text(s, "queue"), text(s, "since_ms"), text(s, "cause")});
  print_table(out, rows);
}

void print_change(std::ostream& out, const json& answer) {
  out << text(answer, "path") << ": " << text(answer, "was") << " -> " << text(answer, "now") << " (acts "
      << text(answer, "acts") << ")\n";
  for (const auto& v : field(answer, "vifs")) {
    const json &before = field(v, "before"), &after = field(v, "after");
    out << text(v, "vif") << ": " << text(before, "value") << " (" << text(before, "source") << ") -> "
        << text(after, "value") << " (" << text(after, "source") << ")\n";
  }
  if (field(answer, "vifs").empty()) out << "no vif's value changed\n";
}

void print_areas(std::ostream& out, const json& answer) {
  const auto sizes = [](const json& area, const char* name) {
    const json& rings = field(area, name);
    return rings.is_object() ? kib(rings, "guest_tx") + "/" + kib(rings, "guest_rx") : std::string("-");
  };
  Rows rows{{"VIF", "queue", "KiB", "tx/rx KiB", "target", "wanted", "least", "generation", "switches",
             "failed", "why"}};
  for (const auto& a : field(answer, "areas")) {
    const char* why = text(a, "pending_reason") != "-" ? "pending_reason"
                      : text(a, "last_failure") != "-" ? "last_failure"
                                                       : "last_reason";
    rows.push_back({text(a, "vif"), text(a, "queue"), kib(a, "bytes"), sizes(a, "in_use"), sizes(a, "target"),
                    sizes(a, "wanted"), sizes(a, "minimum"), text(a, "generation"), text(a, "switches"),
                    text(a, "failures"), text(a, why)});
  }
  print_table(out, rows);
  const json& budget = field(answer, "budget");
  out << kib(budget, "taken") << " of " << kib(budget, "bytes") << " KiB taken, " << kib(budget, "reserve")
      << " kept for switches (budget: " << text(budget, "source") << ")\n";
}

void print_profiles(std::ostream& out, const json& answer) {
  Rows rows{
      {"WORKLOAD", "guest_tx KiB", "guest_rx KiB", "queues", "from", "peaks", "observations", "last seen"}};
  for (const auto& p : field(answer, "profiles")) {
    const bool pinned = field(p, "pinned").is_object();
    const json& use = field(p, pinned ? "pinned" : "recent");
    rows.push_back({text(p, "workload"), kib(use, "guest_tx"), kib(use, "guest_rx"), text(use, "queues"),
                    pinned            ? "pinned"
                    : use.is_object() ? "learned"
                                      : "too old to count",
                    text(p, "peaks"), text(p, "observations"), text(p, "last_seen")});
  }
  print_table(out, rows);
  if (text(answer, "trouble") != "-") out << text(answer, "trouble") << '\n';
}

void print_profile(std::ostream& out, const json& profile) {
  out << "workload " << text(profile, "workload") << '\n';
  if (const json& pin = field(profile, "pinned"); pin.is_object())
    out << "  pinned at " << text(pin, "at") << ": guest_tx " << kib(pin, "guest_tx") << " KiB, guest_rx "
        << kib(pin, "guest_rx") << " KiB, queues " << text(pin, "queues") << '\n';
  if (const json& recent = field(profile, "recent"); recent.is_object())
    out << "  learned from " << text(recent, "peaks") << " recent peaks: guest_tx " << kib(recent, "guest_tx")
        << " KiB, guest_rx " << kib(recent, "guest_rx") << " KiB, queues " << text(recent, "queues") << '\n';
  if (field(profile, "seen").empty()) return;
  Rows rows{{"  vif", "guest_tx KiB", "guest_rx KiB", "queues", "observations", "first seen", "last seen",
             "counts"}};
  for (const auto& s : field(profile, "seen"))
    rows.push_back({"  " + text(s, "vif"), kib(s, "guest_tx"), kib(s, "guest_rx"), text(s, "queues"),
                    text(s, "observations"), text(s, "first_seen"), text(s, "last_seen"),
                    field(s, "counts") == true ? "yes" : "too old"});
  print_table(out, rows);
}

void print_daemon_setting(std::ostream& out, const json& answer) {
  const json &before = field(answer, "before"), &after = field(answer, "after");
  if (before != after) out << text(before, "value") << " (" << text(before, "source") << ") -> ";
  out << text(after, "value") << " (" << text(after, "source") << ")\n";
}

}  // namespace hush::hushctl
