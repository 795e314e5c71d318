// Profiles in a file of this host (profile_database.hpp), and in memory.
//
// The control thread works on memory alone; a thread of the store's own visits the file. So the bound on what
// the control thread waits holds: SQLite can bound the wait for a lock, but nothing bounds a write to a disk
// that hangs, and while the control thread stands no guest connects. What is in memory is what the file had
// when it was read last, and what was seen since. A file in trouble changes nothing but that: the daemon
// learns on, in memory, and the next visit tries again and writes all of it.
#pragma once
#include <functional>
#include <memory>
#include <thread>

#include "dom0/profile/profile_store.hpp"

namespace hush::dom0 {

class SqliteProfileStore final : public ProfileStore {
 public:
  // Where what an admin must know goes, one line each, once for each trouble. Any thread; it must not be
  // bound to what may end before the process does.
  using Say = std::function<void(const std::string& line)>;
  // Reads the file, or begins without it where that takes too long. Never fails: see trouble().
  SqliteProfileStore(std::string file, Say say);
  // Writes what is left to write, or leaves without where that takes too long.
  ~SqliteProfileStore() override;

  [[nodiscard]] std::optional<Profile> find(const std::string& workload) const override;
  [[nodiscard]] Profiles list() const override;
  void record(const Observation& seen) override;
  void tend() override;
  Result<void> set(const std::string& workload, const Pin& pin) override;
  Result<void> forget(const std::string& workload) override;
  [[nodiscard]] std::string place() const override;
  [[nodiscard]] std::string trouble() const override;

  // tend(), and waits for the visit; false: it takes longer than kLongestWait.
  bool settle();

 private:
  struct Change;
  struct Desk;
  Result<void> change(std::shared_ptr<Change> change);

  std::shared_ptr<Desk> desk_;  // of both threads: the writer may outlive this, where the disk hangs
  std::thread writer_;
};

}  // namespace hush::dom0
