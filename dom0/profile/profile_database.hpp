// The file of profiles: SQLite, by SQLiteCpp. One object is one visit: opened, checked, written and read, and
// closed, so that the file may be copied, moved aside or put back at any time in between, and no lock is
// held.
//
// No WAL: there is one writer, a few rows a minute, and nobody reads besides it, so a rollback journal costs
// nothing here. It leaves one file that can be copied, can be read where nothing can be written, and has no
// shared memory in which a full disk is a signal.
//
// What it does not do to a file: overwrite or move what it cannot read (damaged, newer, another program's),
// follow a link, or touch what belongs to somebody else. The file is left as it is, and the error says what
// to do. Moving a damaged one aside by itself would hide a bad disk behind an empty database, and lose what
// an admin pinned without a word that is heard; nothing is urgent, since profiles only make a good beginning.
//
// Blocks (disk, and kLockWait for a lock): not for the control thread. Any one thread at a time.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "dom0/profile/profile.hpp"

namespace SQLite {
class Database;
}

namespace hush::dom0 {

class ProfileDatabase {
 public:
  static constexpr int kVersion = 1;                // of the tables: user_version
  static constexpr int kApplication = 0x4855'5348;  // "HUSH": application_id
  static constexpr std::chrono::milliseconds kLockWait{250};

  // Opens it, makes it where there is none (its folder too), and checks it. The error is one line: what,
  // where, why, what to do.
  static Result<ProfileDatabase> open(const std::string& file);
  ProfileDatabase(ProfileDatabase&& other) noexcept;
  ProfileDatabase& operator=(ProfileDatabase&&) = delete;
  ~ProfileDatabase();

  // Each of these is one transaction.
  Result<void> merge(const Profiles& seen);  // peaks; pins are not looked at
  Result<void> pin(const std::string& workload, const Pin& pin);
  Result<void> forget(const std::string& workload);

  struct Rows {
    Profiles profiles;
    std::string complaint;  // of rows that make no sense, which are left out and stay; empty: of none
  };
  Result<Rows> load();
  // EROFS: it can be read, but not written.
  [[nodiscard]] Result<void> writable() const;

 private:
  ProfileDatabase(std::string file, std::unique_ptr<SQLite::Database> database);
  Result<void> check();
  template <class Act>
  Result<void> attempt(Act act) const;

  std::string file_;
  std::unique_ptr<SQLite::Database> database_;
};

}  // namespace hush::dom0
