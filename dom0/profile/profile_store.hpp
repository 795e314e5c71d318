// Where profiles of workloads are kept. One host's: SqliteProfileStore. Room is left for one that a fleet
// shares (a PostgreSQL, say), behind a store of the host, which stays the one that is asked:
//
// - It would keep the same two tables, with the host's name in a peak's key (a vif's name means something on
//   its host alone), and merge a peak as merged() does. That needs no order and no lock: hosts may send what
//   they saw whenever they can reach it.
// - A pin would need a time, which it has: the youngest of all hosts counts; and a forgotten workload a mark
//   with a time, or a host that was away would bring it back.
// - find() answers from memory, so a store that is far away may not be asked there: it would be read at the
//   start, and from then on whenever it says that something changed (LISTEN/NOTIFY).
//
// Thread: the control thread, for all of it. No call throws. find(), record() and list() never wait; tend(),
// set() and forget() wait no longer than kLongestWait each, whatever the disk does, and so do the making and
// the end of a store.
#pragma once
#include <chrono>
#include <string>

#include "common/result.hpp"
#include "dom0/profile/profile.hpp"

namespace hush::dom0 {

class ProfileStore {
 public:
  static constexpr std::chrono::milliseconds kLongestWait{1000};

  virtual ~ProfileStore() = default;
  ProfileStore() = default;
  ProfileStore(const ProfileStore&) = delete;
  ProfileStore& operator=(const ProfileStore&) = delete;

  // nullopt: nothing is known of it.
  [[nodiscard]] virtual std::optional<Profile> find(const std::string& workload) const = 0;
  [[nodiscard]] virtual Profiles list() const = 0;
  // Takes what was seen: in memory at once, written with the next tend(). What makes no sense is ignored, and
  // said.
  virtual void record(const Observation& seen) = 0;
  // To be called now and then (each minute): writes what was recorded, reads what others have changed, and
  // tries again what failed. Does not wait for any of it.
  virtual void tend() = 0;
  // Pins a workload, or forgets all of it: when this returns without an error, it is written. ETIMEDOUT: it
  // may yet be. ENOENT: nothing was known.
  virtual Result<void> set(const std::string& workload, const Pin& pin) = 0;
  virtual Result<void> forget(const std::string& workload) = 0;

  [[nodiscard]] virtual std::string place() const = 0;    // where it is kept, for an admin
  [[nodiscard]] virtual std::string trouble() const = 0;  // why it is not, and what to do; empty: it is
};

}  // namespace hush::dom0
