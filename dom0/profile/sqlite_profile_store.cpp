#include "dom0/profile/sqlite_profile_store.hpp"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <vector>

#include "dom0/profile/profile_database.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::dom0 {
namespace {

void add_all(Profiles& into, const Profiles& more) {
  for (const auto& [workload, profile] : more)
    for (const auto& [key, peak] : profile.peaks) add(into[workload], key, peak);
}

}  // namespace

// What an admin wants changed.
struct SqliteProfileStore::Change {
  std::string workload;
  std::optional<Pin> pin = {};  // nullopt: forget it
  std::optional<Result<void>> done = {};
};

// What the two threads hand each other. The mutex is held for work in memory alone.
struct SqliteProfileStore::Desk {
  using Changes = std::vector<std::shared_ptr<Change>>;
  struct Visit {
    bool written = false;
    std::vector<Result<void>> changed;
    std::optional<Profiles> rows;  // nullopt: the file could not be read
    std::string complaint, trouble;
  };

  void work();
  void one_round(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] Visit visit(const Profiles& batch, const Changes& wanted) const;
  // Lines that are news.
  [[nodiscard]] std::vector<std::string> take_over(Visit& visit, const Profiles& batch,
                                                   const Changes& wanted);

  std::string file;
  Say say;
  std::mutex mutex;
  std::condition_variable wake, news;
  Profiles known;      // what the file had when it was read last, and what was seen since
  Profiles unwritten;  // of that, what is not in the file
  Changes changes;
  std::string trouble, complaint, refused;
  std::uint64_t asked = 0, answered = 0;  // visits
  bool ending = false, ended = false, abandoned = false;
};

void SqliteProfileStore::Desk::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return ending || asked != answered; });
    if (asked == answered) break;
    one_round(lock);
  }
  ended = true;
  news.notify_all();
}

void SqliteProfileStore::Desk::one_round(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t round = asked;
  const Profiles batch = std::exchange(unwritten, {});
  const Changes wanted = std::exchange(changes, {});
  lock.unlock();
  Visit done = visit(batch, wanted);
  lock.lock();
  const auto lines = take_over(done, batch, wanted);
  const bool heard = !abandoned;
  lock.unlock();
  for (const auto& line : lines)
    if (heard) say(line);
  lock.lock();
  answered = round;
  news.notify_all();
}

SqliteProfileStore::Desk::Visit SqliteProfileStore::Desk::visit(const Profiles& batch,
                                                                const Changes& wanted) const {
  Visit visit;
  auto database = ProfileDatabase::open(file);
  if (!database) {
    visit.trouble = database.error().text;
    visit.changed.assign(wanted.size(), database.error());
    return visit;
  }
  auto written = database->writable();
  if (written && !batch.empty()) written = database->merge(batch);
  visit.written = written.has_value();
  for (const auto& change : wanted)
    visit.changed.push_back(!written      ? written
                            : change->pin ? database->pin(change->workload, *change->pin)
                                          : database->forget(change->workload));
  auto rows = database->load();
  visit.trouble = !written ? written.error().text : !rows ? rows.error().text : "";
  if (rows) {
    visit.rows = std::move(rows->profiles);
    visit.complaint = rows->complaint;
  }
  return visit;
}

std::vector<std::string> SqliteProfileStore::Desk::take_over(Visit& visit, const Profiles& batch,
                                                             const Changes& wanted) {
  if (!visit.written) add_all(unwritten, batch);
  if (visit.rows) {
    known = std::move(*visit.rows);
    add_all(known, unwritten);
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i]->done = visit.changed[i];
  std::vector<std::string> lines;
  if (visit.trouble != trouble)
    lines.push_back(visit.trouble.empty() ? "profiles in " + file + " are usable again" : visit.trouble);
  if (visit.complaint != complaint && !visit.complaint.empty()) lines.push_back(visit.complaint);
  trouble = std::move(visit.trouble);
  // What could not be read this time is no news when it can be again.
  if (visit.rows) complaint = std::move(visit.complaint);
  return lines;
}

SqliteProfileStore::SqliteProfileStore(std::string file, Say say) : desk_(std::make_shared<Desk>()) {
  desk_->file = std::move(file);
  desk_->say = std::move(say);
  // Signals are the control thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  writer_ = std::thread([desk = desk_] { desk->work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  (void)settle();
}

SqliteProfileStore::~SqliteProfileStore() {
  std::unique_lock lock(desk_->mutex);
  desk_->ending = true;
  ++desk_->asked;
  desk_->wake.notify_all();
  const bool ended = desk_->news.wait_for(lock, kLongestWait, [this] { return desk_->ended; });
  desk_->abandoned = true;
  lock.unlock();
  if (ended)
    writer_.join();
  else
    writer_.detach();
}

std::optional<Profile> SqliteProfileStore::find(const std::string& workload) const {
  const std::lock_guard lock(desk_->mutex);
  const auto found = desk_->known.find(workload);
  return found == desk_->known.end() ? std::nullopt : std::optional(found->second);
}

Profiles SqliteProfileStore::list() const {
  const std::lock_guard lock(desk_->mutex);
  return desk_->known;
}

void SqliteProfileStore::record(const Observation& seen) {
  std::unique_lock lock(desk_->mutex);
  std::string why = impossibility(seen.use);
  if (!xenstore::is_workload(seen.workload)) why = "its workload is no tag";
  if (why.empty() && desk_->known.size() >= kMaxWorkloads && !desk_->known.contains(seen.workload))
    why = std::to_string(kMaxWorkloads) + " workloads are known: hushctl profile forget those that are over";
  if (!why.empty()) {
    if (std::exchange(desk_->refused, why) == why) return;
    lock.unlock();
    return desk_->say(seen.vif + ": nothing is learned from it: " + why);
  }
  const Peak peak{seen.use, seen.at, seen.at};
  add(desk_->known[seen.workload], key_of(seen), peak);
  add(desk_->unwritten[seen.workload], key_of(seen), peak);
}

void SqliteProfileStore::tend() {
  const std::lock_guard lock(desk_->mutex);
  ++desk_->asked;
  desk_->wake.notify_all();
}

bool SqliteProfileStore::settle() {
  std::unique_lock lock(desk_->mutex);
  const std::uint64_t round = ++desk_->asked;
  desk_->wake.notify_all();
  return desk_->news.wait_for(lock, kLongestWait, [&] { return desk_->answered >= round; });
}

Result<void> SqliteProfileStore::change(std::shared_ptr<Change> change) {
  std::unique_lock lock(desk_->mutex);
  desk_->changes.push_back(change);
  ++desk_->asked;
  desk_->wake.notify_all();
  if (!desk_->news.wait_for(lock, kLongestWait, [&] { return change->done.has_value(); }))
    return error("profiles in " + desk_->file + " were not written within " +
                     std::to_string(kLongestWait.count()) + " ms: it is done when the disk answers",
                 ETIMEDOUT);
  return *change->done;
}

Result<void> SqliteProfileStore::set(const std::string& workload, const Pin& pin) {
  return change(std::make_shared<Change>(Change{workload, pin}));
}

Result<void> SqliteProfileStore::forget(const std::string& workload) {
  if (trouble().empty() && !find(workload))
    return error(
        "nothing is known of workload '" + workload + "' (hushctl profile list shows those that are)",
        ENOENT);
  return change(std::make_shared<Change>(Change{workload}));
}

std::string SqliteProfileStore::place() const {
  return desk_->file;
}

std::string SqliteProfileStore::trouble() const {
  const std::lock_guard lock(desk_->mutex);
  if (desk_->answered == 0) return "profiles in " + desk_->file + " are not read yet: does the disk hang?";
  return desk_->trouble;
}

}  // namespace hush::dom0
