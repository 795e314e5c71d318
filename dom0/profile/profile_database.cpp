#include "dom0/profile/profile_database.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "xenstore/vif_settings.hpp"

namespace hush::dom0 {
namespace {

namespace fs = std::filesystem;

// Strict tables: a number is a number. Ranges are checked when a row is read, since another version, or a
// hand, may have written it.
constexpr char kTables[] =
    "CREATE TABLE pin (workload TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL,"
    "  guest_tx INTEGER NOT NULL, guest_rx INTEGER NOT NULL, queues INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE peak (workload TEXT NOT NULL, vif TEXT NOT NULL, day INTEGER NOT NULL,"
    "  first INTEGER NOT NULL, last INTEGER NOT NULL, observations INTEGER NOT NULL,"
    "  guest_tx INTEGER NOT NULL, guest_rx INTEGER NOT NULL, queues INTEGER NOT NULL,"
    "  PRIMARY KEY (workload, vif, day)) STRICT, WITHOUT ROWID;";
constexpr char kMergePeak[] =
    "INSERT INTO peak VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    "  first = min(first, excluded.first), last = max(last, excluded.last),"
    "  observations = min(observations + excluded.observations, 1000000000000000), guest_tx = max(guest_tx, "
    "excluded.guest_tx),"
    "  guest_rx = max(guest_rx, excluded.guest_rx), queues = max(queues, excluded.queues)";
constexpr char kDropOldest[] =
    "DELETE FROM peak WHERE workload = ?1 AND (vif, day) NOT IN"
    "  (SELECT vif, day FROM peak WHERE workload = ?1 ORDER BY last DESC LIMIT ?2)";

constexpr std::int64_t kLatest = 4'102'444'800;                    // the year 2100
constexpr std::int64_t kMostObservations = 1'000'000'000'000'000;  // so that sums fit; in kMergePeak too
constexpr std::size_t kLongestVif = 32;
// More than these nobody can have written here: 1024 workloads, each with its peaks.
constexpr std::int64_t kMostRows = std::int64_t{kMaxWorkloads} * kMaxPeaks;

Error trouble(const std::string& file, const std::string& why, const std::string& remedy, int code) {
  return error("profiles in " + file + " " + why + ": " + remedy, code);
}

constexpr char kElsewhere[] = ", or name another file with --profiles";
constexpr char kMindFolder[] = "make its folder one that hush-backd can write to";

Error damaged(const std::string& file, const std::string& why) {
  return trouble(file, "are not usable (" + why + "); the file is left as it is",
                 "move it aside (mv " + file + " " + file + ".damaged), a new one is begun within a minute",
                 EIO);
}

// What SQLite says, as an admin is to hear it.
Error explain(const std::string& file, const SQLite::Exception& failed) {
  const std::string why = failed.what();
  switch (failed.getErrorCode() & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(file, why);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return trouble(file, "are locked by another process",
                     "fuser " + file + " shows which; it is tried again each minute", EBUSY);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return trouble(file, "cannot be written (" + why + ")", kMindFolder + std::string(kElsewhere), EROFS);
    case SQLITE_FULL:
      return trouble(file, "cannot be written: the disk is full",
                     "make room; what was learned meanwhile is written then", ENOSPC);
    default:
      return trouble(file, "cannot be read or written (" + why + ")",
                     "look at the disk and at the kernel's log; it is tried again each minute", EIO);
  }
}

bool others_write(const struct stat& node) {
  return (node.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

// In a folder where others write, a journal that they lay beside the file would be played back into it.
Result<void> check_folder(const std::string& file) {
  const fs::path parent = fs::path(file).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    return trouble(file, "cannot be kept: cannot make " + folder + " (" + failed.message() + ")",
                   "make it" + std::string(kElsewhere), failed.value());
  struct stat node {};
  if (::stat(folder.c_str(), &node) != 0)
    return trouble(file, "cannot be kept: " + folder + " cannot be looked at", kMindFolder, errno);
  if ((node.st_uid != ::geteuid() && node.st_uid != 0) || others_write(node))
    return trouble(file, "cannot be kept: others can write in " + folder,
                   "chown root " + folder + " && chmod go-w " + folder + kElsewhere, EPERM);
  return {};
}

Result<void> check_file(const std::string& file) {
  struct stat node {};
  if (::lstat(file.c_str(), &node) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("profiles in " + file + " cannot be looked at");
  }
  if (!S_ISREG(node.st_mode))
    return trouble(file, "are no plain file (a link, or a folder?)", "remove it" + std::string(kElsewhere),
                   EINVAL);
  if (node.st_uid != ::geteuid())
    return trouble(file, "belong to user " + std::to_string(node.st_uid) + " and are not touched",
                   "chown root " + file + kElsewhere, EPERM);
  if (others_write(node))
    return trouble(file, "can be written by others and are not trusted", "chmod go-w " + file + kElsewhere,
                   EPERM);
  return {};
}

std::uint32_t as_u32(std::int64_t value) {
  return value < 0 || value > std::numeric_limits<std::uint32_t>::max() ? 0
                                                                        : static_cast<std::uint32_t>(value);
}

std::string impossible_number(const SQLite::Statement& row, int column, std::int64_t least,
                              std::int64_t most) {
  const auto& value = row.getColumn(column);
  if (value.isInteger() && value.getInt64() >= least && value.getInt64() <= most) return "";
  return std::string(value.getName()) + " is " + (value.isInteger() ? value.getString() : "no number");
}

// Three columns from the first one on: guest_tx, guest_rx, queues. least_queues: 0 where they may be unsaid.
std::string impossible_use(const SQLite::Statement& row, int first, std::uint32_t least_queues,
                           RingUse& use) {
  for (int i = 0; i < 3; ++i)
    if (auto why = impossible_number(row, first + i, 0, UINT32_MAX); !why.empty()) return why;
  use = {as_u32(row.getColumn(first).getInt64()), as_u32(row.getColumn(first + 1).getInt64()),
         as_u32(row.getColumn(first + 2).getInt64())};
  RingUse said = use;
  if (least_queues == 0 && said.queues == 0) said.queues = 1;
  return impossibility(said);
}

bool printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Why a row makes no sense; empty: it does, and was added.
std::string take_pin(const SQLite::Statement& row, Profiles& into) {
  const std::string workload = row.getColumn(0).getString();
  if (!xenstore::is_workload(workload)) return "its workload is no tag";
  Pin pin;
  if (auto why = impossible_number(row, 1, 0, kLatest); !why.empty()) return why;
  if (auto why = impossible_use(row, 2, 0, pin.use); !why.empty()) return why;
  pin.at = WallTime(std::chrono::seconds(row.getColumn(1).getInt64()));
  into[workload].pin = pin;
  return "";
}

std::string take_peak(const SQLite::Statement& row, Profiles& into) {
  const std::string workload = row.getColumn(0).getString(), vif = row.getColumn(1).getString();
  if (!xenstore::is_workload(workload)) return "its workload is no tag";
  if (vif.size() > kLongestVif || !printable(vif)) return "its vif is no name";
  Peak peak;
  for (const int time : {3, 4})
    if (auto why = impossible_number(row, time, 0, kLatest); !why.empty()) return why;
  if (auto why = impossible_number(row, 2, 0, kLatest); !why.empty()) return why;
  if (auto why = impossible_number(row, 5, 1, kMostObservations); !why.empty()) return why;
  if (auto why = impossible_use(row, 6, 1, peak.use); !why.empty()) return why;
  peak.first = WallTime(std::chrono::seconds(row.getColumn(3).getInt64()));
  peak.last = WallTime(std::chrono::seconds(row.getColumn(4).getInt64()));
  peak.observations = static_cast<std::uint64_t>(row.getColumn(5).getInt64());
  add(into[workload], {vif, row.getColumn(2).getInt64()}, peak);
  return "";
}

struct Bad {
  std::size_t rows = 0;
  std::string first;
};

template <class Take>
void take_all(SQLite::Database& database, const std::string& query, Take take, Profiles& into, Bad& bad) {
  SQLite::Statement rows(database, query + " LIMIT " + std::to_string(kMostRows));
  while (rows.executeStep())
    if (std::string why = take(rows, into); !why.empty() && bad.rows++ == 0) bad.first = std::move(why);
}

void bind_peak(SQLite::Statement& insert, const std::string& workload, const PeakKey& key, const Peak& peak) {
  int at = 0;
  insert.reset();
  insert.bind(++at, workload);
  insert.bind(++at, key.vif);
  insert.bind(++at, key.day);
  insert.bind(++at, static_cast<std::int64_t>(peak.first.time_since_epoch().count()));
  insert.bind(++at, static_cast<std::int64_t>(peak.last.time_since_epoch().count()));
  insert.bind(++at, static_cast<std::int64_t>(peak.observations));
  insert.bind(++at, peak.use.guest_tx);
  insert.bind(++at, peak.use.guest_rx);
  insert.bind(++at, peak.use.queues);
}

void delete_workload(SQLite::Database& database, const char* statement, const std::string& workload) {
  SQLite::Statement remove(database, statement);
  remove.bind(1, workload);
  remove.exec();
}

}  // namespace

ProfileDatabase::ProfileDatabase(std::string file, std::unique_ptr<SQLite::Database> database)
    : file_(std::move(file)), database_(std::move(database)) {}
ProfileDatabase::ProfileDatabase(ProfileDatabase&& other) noexcept = default;
ProfileDatabase::~ProfileDatabase() = default;

// SQLiteCpp throws; from here on there are results.
template <class Act>
Result<void> ProfileDatabase::attempt(Act act) const {
  try {
    return act();
  } catch (const SQLite::Exception& failed) {
    return explain(file_, failed);
  }
}

Result<ProfileDatabase> ProfileDatabase::open(const std::string& file) {
  if (auto sound = check_folder(file); !sound) return sound.error();
  if (auto sound = check_file(file); !sound) return sound.error();
  try {
    ProfileDatabase opened(file,
                           std::make_unique<SQLite::Database>(
                               file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOFOLLOW,
                               static_cast<int>(kLockWait.count())));
    if (auto sound = opened.check(); !sound) return sound.error();
    return opened;
  } catch (const SQLite::Exception& failed) {
    return explain(file, failed);
  }
}

// Whose it is, which version, and whether its pages hang together; a new one gets its tables.
Result<void> ProfileDatabase::check() {
  database_->exec("PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1");
  const int tables = database_->execAndGet("SELECT count(*) FROM sqlite_schema").getInt();
  const int application = database_->execAndGet("PRAGMA application_id").getInt();
  const int version = database_->execAndGet("PRAGMA user_version").getInt();
  if (tables == 0 && application == 0 && version == 0) {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    database_->exec(kTables);
    database_->exec("PRAGMA application_id = " + std::to_string(kApplication));
    database_->exec("PRAGMA user_version = " + std::to_string(kVersion));
    transaction.commit();
    return {};
  }
  if (application != kApplication)
    return trouble(file_, "are the database of another program and are not touched",
                   "move it away" + std::string(kElsewhere), EPERM);
  if (version != kVersion)
    return trouble(file_,
                   "have version " + std::to_string(version) + ", this hush-backd knows " +
                       std::to_string(kVersion) + "; the file is left as it is",
                   "run the newer one again" + std::string(kElsewhere), EPROTO);
  const std::string said = database_->execAndGet("PRAGMA quick_check(1)").getString();
  for (const char* table : {"pin", "peak"})
    if (!database_->tableExists(table)) return damaged(file_, std::string("no such table: ") + table);
  if (said != "ok") return damaged(file_, said.substr(0, said.find('\n')));
  return {};
}

Result<void> ProfileDatabase::writable() const {
  if (sqlite3_db_readonly(database_->getHandle(), "main") != 1) return {};
  return trouble(file_, "can be read, but not written", "make the file and its folder writable", EROFS);
}

Result<void> ProfileDatabase::merge(const Profiles& seen) {
  return attempt([&]() -> Result<void> {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement insert(*database_, kMergePeak);
    SQLite::Statement drop(*database_, kDropOldest);
    for (const auto& [workload, profile] : seen) {
      for (const auto& [key, peak] : profile.peaks) {
        bind_peak(insert, workload, key, peak);
        insert.exec();
      }
      drop.reset();
      drop.bind(1, workload);
      drop.bind(2, static_cast<std::int64_t>(kMaxPeaks));
      drop.exec();
    }
    transaction.commit();
    return {};
  });
}

Result<void> ProfileDatabase::pin(const std::string& workload, const Pin& pin) {
  return attempt([&]() -> Result<void> {
    SQLite::Statement insert(*database_, "INSERT OR REPLACE INTO pin VALUES (?, ?, ?, ?, ?)");
    insert.bind(1, workload);
    insert.bind(2, static_cast<std::int64_t>(pin.at.time_since_epoch().count()));
    insert.bind(3, pin.use.guest_tx);
    insert.bind(4, pin.use.guest_rx);
    insert.bind(5, pin.use.queues);
    insert.exec();
    return {};
  });
}

Result<void> ProfileDatabase::forget(const std::string& workload) {
  return attempt([&]() -> Result<void> {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    delete_workload(*database_, "DELETE FROM pin WHERE workload = ?", workload);
    delete_workload(*database_, "DELETE FROM peak WHERE workload = ?", workload);
    transaction.commit();
    return {};
  });
}

Result<ProfileDatabase::Rows> ProfileDatabase::load() {
  Rows rows;
  Bad bad;
  auto done = attempt([&]() -> Result<void> {
    take_all(*database_, "SELECT workload, at, guest_tx, guest_rx, queues FROM pin", take_pin, rows.profiles,
             bad);
    take_all(*database_,
             "SELECT workload, vif, day, first, last, observations, guest_tx, guest_rx, queues FROM peak",
             take_peak, rows.profiles, bad);
    return {};
  });
  if (!done) return done.error();
  if (bad.rows != 0)
    rows.complaint = "profiles in " + file_ + ": " + std::to_string(bad.rows) + " row" +
                     (bad.rows == 1 ? " makes" : "s make") + " no sense and " +
                     (bad.rows == 1 ? "is" : "are") + " ignored (the first: " + bad.first + "); sqlite3 " +
                     file_ + " shows and removes them";
  return rows;
}

}  // namespace hush::dom0
