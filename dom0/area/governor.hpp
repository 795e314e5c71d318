// Looks at what the pairs (queues on the area path) ask of their areas, has their policies decide, shares the
// host's budget among them, and advises the front ends. A pair of which nothing is to be expected is not
// looked at, so idle pairs cost nothing: it stirs when frames come again.
//
// What it acts on is pure and stands beside it: PairPolicy, budget.hpp. Control thread only.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dom0/area/budget.hpp"
#include "dom0/area/pair_policy.hpp"
#include "dom0/settings.hpp"
#include "dom0/vif/queue_areas.hpp"

namespace hush::dom0 {

struct PairId {
  xenstore::VifId vif;
  std::size_t queue = 0;
  auto operator<=>(const PairId&) const = default;
};

// What both directions asked for since the last look.
struct PairSample {
  area::DemandSample guest_tx, guest_rx;
};

class AreaGovernor {
 public:
  // How often a pair is looked at that has traffic: a step of the load is followed within four of them.
  static constexpr std::chrono::milliseconds kLookEvery{50};

  AreaGovernor(boost::asio::io_context& loop, const Settings& settings) : settings_(settings), timer_(loop) {}
  AreaGovernor(const AreaGovernor&) = delete;
  AreaGovernor& operator=(const AreaGovernor&) = delete;

  struct Pair {
    std::string name;   // for the log
    QueueAreas* areas;  // there until it leaves
    std::function<PairSample()> sample;
    PairRules rules;
  };
  void join(PairId id, Pair pair);
  void leave(PairId id);
  void set_rules(PairId id, const PairRules& rules);
  // Frames came, of a pair whose samples were empty.
  void stirs(PairId id);
  // A switch of it ended.
  void ended(PairId id, SwitchEnd end, const std::string& why);
  // The budget, or what an admin said of anything, may be another one.
  void look_soon();

  // Rings for the first area of a new pair; nullopt: there is no room for it.
  [[nodiscard]] std::optional<area::Sizes> first(const area::Sizes& wanted, const area::Sizes& minimum) const;
  // May so many bytes more be mapped now?
  [[nodiscard]] bool has_room(std::uint64_t bytes) const;

  // For an admin.
  struct Look {
    PairId id;
    std::string name;
    area::Sizes in_use;
    std::uint32_t generation;
    std::uint64_t bytes;  // of both areas, where it switches
    std::optional<area::Sizes> target;
    area::Sizes wanted, minimum;
    std::uint64_t switches, failures;
    std::string last_reason, pending_reason, last_failure;
  };
  [[nodiscard]] std::vector<Look> look() const;
  [[nodiscard]] std::uint64_t taken_bytes() const;
  [[nodiscard]] std::uint64_t reserved_bytes() const;  // kept free for switches
  // Of one pair; nullopt: there is none of this id.
  [[nodiscard]] std::optional<Look> look(PairId id) const;

 private:
  struct Entry {
    Pair pair;
    PairPolicy policy;
    bool active = true;
    Time looked_at{};  // 0: not yet since it is active
    std::uint64_t switches = 0, failures = 0;
    std::string last_reason, pending_reason, last_failure;
  };
  void arm();
  void tick();
  std::optional<PairDecision> ask(Entry& entry, Time now);
  void advise(Entry& entry, std::size_t which, const PairDecision& decision);
  [[nodiscard]] std::vector<Holding> holdings() const;
  [[nodiscard]] Look look_at(PairId id, const Entry& entry) const;
  [[nodiscard]] static bool is_at_rest(const Entry& entry);

  const Settings& settings_;
  std::map<PairId, Entry> pairs_;
  boost::asio::steady_timer timer_;
  bool armed_ = false;
};

}  // namespace hush::dom0
